"""The host's half of the Functions RPC messages, as plain classes.

`azure_functions_runtime` is handed a module of message types and only constructs them and reads their attributes; it
never serialises. So classes with the names and fields of azure-functions-language-worker-protobuf
(FunctionRpc.proto) are enough, and no protobuf or gRPC is needed inside one process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


class TypedData:
    """A value with its kind: exactly one of string, json, bytes, http, int, double, model_binding_data, …"""

    def __init__(self, **value: Any) -> None:
        if len(value) > 1:
            raise ValueError(f"TypedData holds one value, not {sorted(value)}")
        self._kind = next(iter(value), None)
        self.__dict__.update(value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this TypedData holds {self._kind!r}, not {name!r}")

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's own spelling, which the library calls
        """Returns the kind of the value, None when there is none."""
        return self._kind if group == "data" else None


@dataclass(slots=True)
class ParameterBinding:
    """A named input or output of an invocation."""

    name: str = ""
    data: TypedData | None = None

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's own spelling, which the library calls
        """Returns "data": values travel in the message, never by shared memory."""
        return "data" if group == "rpc_data" else None


@dataclass(slots=True)
class BindingInfo:
    """A binding's type, direction and data type."""

    inout = 2
    out = 1
    undefined = 0

    type: str = ""
    data_type: int | None = None
    direction: int = 0


@dataclass(slots=True)
class ModelBindingData:
    """What a deferred binding is built from: where the value is, instead of the value."""

    version: str
    source: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class RpcException:
    """An exception of the function, with its traceback as text."""

    message: str = ""
    stack_trace: str = ""
    source: str = ""


@dataclass(slots=True)
class StatusResult:
    """How a request to the worker ended."""

    Failure = 0
    Success = 1
    Cancelled = 2

    status: int = Failure
    exception: RpcException | None = None


@dataclass(slots=True)
class Timestamp:
    """Whole seconds since 1970 (UTC)."""

    seconds: int = 0


@dataclass(slots=True)
class NullableString:
    """A text that may be absent."""

    value: str


@dataclass(slots=True)
class NullableBool:
    """A truth value that may be absent."""

    value: bool


@dataclass(slots=True)
class NullableDouble:
    """A number that may be absent."""

    value: float


@dataclass(slots=True)
class NullableTimestamp:
    """A time that may be absent."""

    value: Timestamp


class _SameSite:
    Lax = 1
    Strict = 2
    ExplicitNone = 3


setattr(_SameSite, "None", 0)  # a keyword, so it cannot be written as an attribute


@dataclass(slots=True)
class RpcHttpCookie:
    """One cookie of an HTTP response."""

    SameSite = _SameSite

    name: str = ""
    value: str = ""
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: int = 0
    max_age: NullableDouble | None = None


@dataclass(slots=True)
class RpcHttp:
    """An HTTP request (method, url, query, params) or response (status_code, cookies)."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: TypedData = field(default_factory=TypedData)
    status_code: str = ""
    cookies: Sequence[RpcHttpCookie] | None = None
    enable_content_negotiation: bool = False


@dataclass(slots=True)
class RpcRetryOptions:
    """A function's retry policy."""

    max_retry_count: int = 0
    retry_strategy: str = ""
    delay_interval: timedelta | None = None
    minimum_interval: timedelta | None = None
    maximum_interval: timedelta | None = None


@dataclass(slots=True)
class RpcFunctionMetadata:
    """One indexed function."""

    name: str = ""
    function_id: str = ""
    directory: str = ""
    script_file: str = ""
    entry_point: str = ""
    language: str = ""
    is_proxy: bool = False
    managed_dependency_enabled: bool = False
    bindings: Mapping[str, BindingInfo] = field(default_factory=dict)
    raw_bindings: Sequence[str] = ()
    retry_options: RpcRetryOptions | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RpcTraceContext:
    """W3C trace context of an invocation."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RetryContext:
    """How often this invocation was tried before."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: RpcException = field(default_factory=RpcException)


@dataclass(slots=True)
class InvocationRequest:
    """A call of one function."""

    invocation_id: str
    function_id: str
    input_data: Sequence[ParameterBinding]
    trigger_metadata: Mapping[str, TypedData]
    trace_context: RpcTraceContext
    retry_context: RetryContext


@dataclass(slots=True)
class InvocationResponse:
    """What a call of one function gave."""

    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()


@dataclass(slots=True)
class WorkerInitRequest:
    """Asks the worker to import and index the function app."""

    function_app_directory: str
    capabilities: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class WorkerMetadata:
    """What the worker says about itself."""

    runtime_name: str = ""
    runtime_version: str = ""
    worker_version: str = ""
    worker_bitness: str = ""
    custom_properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class WorkerInitResponse:
    """Whether the function app could be indexed."""

    result: StatusResult
    capabilities: Mapping[str, str] = field(default_factory=dict)
    worker_metadata: WorkerMetadata | None = None


@dataclass(slots=True)
class FunctionMetadataResponse:
    """The indexed functions."""

    result: StatusResult
    function_metadata_results: Sequence[RpcFunctionMetadata] | None = None
    use_default_metadata_indexing: bool = False


@dataclass(slots=True)
class StreamingMessage:
    """The envelope of a request: one of its fields is set."""

    worker_init_request: WorkerInitRequest | None = None
    invocation_request: InvocationRequest | None = None


@dataclass(slots=True)
class Envelope:
    """How the library receives a request: the message, and properties ("host", "protos")."""

    request: StreamingMessage
    properties: Mapping[str, Any]
