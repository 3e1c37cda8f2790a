"""Microsoft's Python worker library, driven as Azure's host drives it: index the app once, then invoke its functions.

The library keeps one registry of functions per process and imports the app by the name `function_app`, so a process
runs one app. Synchronous functions run on the library's thread pool (PYTHON_THREADPOOL_THREAD_COUNT threads), several
at once.
"""

import asyncio
import logging
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import azure_functions_runtime as runtime  # type: ignore[import-untyped] # ships no type information

from devhost import protos
from devhost.errors import AppError
from devhost.functions import Function, parse_functions
from devhost.protos import TypedData

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What one invocation is given: the trigger's value, facts beside it, and the trace it belongs to."""

    value: TypedData
    metadata: Mapping[str, TypedData] = field(default_factory=dict)
    trace_parent: str = ""
    trace_state: str = ""
    retry: int = 0
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one invocation gave: a value when it is `ok`, else what went wrong."""

    ok: bool
    value: TypedData | None = None
    error: str = ""


class Worker:
    """The function app of one folder, imported into this process."""

    def __init__(self, app: Path, *, timeout: float | None) -> None:
        """Prepares the worker; nothing is imported yet.

        Args:
            app: The folder that holds function_app.py.
            timeout: Seconds an invocation may take; None for no end.
        """
        self._app = app
        self._timeout = timeout
        self._properties = {"host": "127.0.0.1", "protos": protos}

    async def start(self, settings: Mapping[str, str]) -> tuple[Function, ...]:
        """Imports the app and returns its functions.

        Raises:
            AppError: The app cannot be imported or indexed, or has a binding this host does not run.
        """
        if not (self._app / "function_app.py").is_file():
            raise AppError(f"there is no function_app.py in {self._app}: name the folder of a function app")
        sys.path.insert(0, str(self._app))
        runtime.start_threadpool_executor()
        init = protos.WorkerInitRequest(function_app_directory=str(self._app))
        answer = await runtime.worker_init_request(self._envelope(protos.StreamingMessage(worker_init_request=init)))
        if answer.result.status != protos.StatusResult.Success:
            failure = answer.result.exception
            raise AppError(
                f"the function app in {self._app} cannot be loaded: {failure.message}\n{failure.stack_trace}"
            )
        indexed = await runtime.functions_metadata_request(self._envelope(protos.StreamingMessage()))
        return parse_functions(indexed.function_metadata_results or (), settings)

    async def invoke(self, function: Function, call: Call) -> Outcome:
        """Runs the function and returns how that ended; a function's own exception is an outcome, not raised.

        When the time is up the outcome is a failure, but a function that is running in a thread runs on: Python cannot
        stop a thread. (Azure ends the whole worker process then, and with it whatever else was running.)
        """
        began = time.perf_counter()
        # A task of its own: the library attaches the trace context to the current context and never detaches it.
        task = asyncio.create_task(self._invoke(function, call), name=f"invoke {function.name}")
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await task
        except TimeoutError:
            outcome = Outcome(ok=False, error=f"timed out after {self._timeout:g} s (functionTimeout in host.json)")
        if outcome.ok:
            _log.info("%s succeeded in %.0f ms", function.name, (time.perf_counter() - began) * 1000)
        else:
            _log.error("%s failed: %s", function.name, outcome.error)
        return outcome

    async def _invoke(self, function: Function, call: Call) -> Outcome:
        request = protos.InvocationRequest(
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            input_data=[protos.ParameterBinding(name=function.trigger.name, data=call.value)],
            trigger_metadata=call.metadata,
            trace_context=protos.RpcTraceContext(trace_parent=call.trace_parent, trace_state=call.trace_state),
            retry_context=protos.RetryContext(retry_count=call.retry, max_retry_count=call.max_retries),
        )
        answer: protos.InvocationResponse = await runtime.invocation_request(
            self._envelope(protos.StreamingMessage(invocation_request=request))
        )
        if answer.result.status == protos.StatusResult.Success:
            return Outcome(ok=True, value=answer.return_value)
        failure = answer.result.exception or protos.RpcException(message="no reason given")
        return Outcome(ok=False, error=f"{failure.message}\n{failure.stack_trace}".rstrip())

    def _envelope(self, message: protos.StreamingMessage) -> protos.Envelope:
        return protos.Envelope(request=message, properties=self._properties)
