"""The app's functions as the host sees them: triggers and bindings, settings resolved, unknown ones refused."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from devhost import protos
from devhost.errors import AppError

TRIGGERS: Final = ("httpTrigger", "timerTrigger", "blobTrigger", "eventGridTrigger")
OUTPUTS: Final = ("http",)
_SETTING: Final = re.compile(r"%([^%\s]+)%")


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding, with its options as the decorators wrote them (camelCase, `%SETTING%` resolved)."""

    name: str
    type: str
    direction: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app; `id` is the name by which the worker library knows it."""

    name: str
    id: str
    trigger: Binding
    bindings: tuple[Binding, ...]

    @property
    def deferred(self) -> bool:
        """Whether the trigger wants to be told where its value is instead of being given it."""
        return bool(self.trigger.options.get("properties", {}).get("SupportsDeferredBinding", False))


def resolve_settings(value: Any, settings: Mapping[str, str], where: str) -> Any:
    """Returns the value with each `%NAME%` inside its texts replaced by that setting.

    Raises:
        AppError: A named setting is absent.
    """
    if isinstance(value, str):
        return _SETTING.sub(lambda match: _setting(match.group(1), settings, where), value)
    if isinstance(value, list):
        return [resolve_settings(item, settings, where) for item in value]
    return value


def _setting(name: str, settings: Mapping[str, str], where: str) -> str:
    try:
        return settings[name]
    except KeyError:
        raise AppError(
            f"{where} uses %{name}%, but the setting {name} is not set: add it to the app settings"
        ) from None


def parse_functions(found: Iterable[protos.RpcFunctionMetadata], settings: Mapping[str, str]) -> tuple[Function, ...]:
    """Returns the functions the worker indexed, by name.

    Raises:
        AppError: A binding is of a type this host does not run, a setting is absent, or a function has a retry policy.
    """
    return tuple(sorted((_parse_function(item, settings) for item in found), key=lambda function: function.name))


def _parse_function(found: protos.RpcFunctionMetadata, settings: Mapping[str, str]) -> Function:
    bindings = tuple(_parse_binding(found.name, raw, settings) for raw in found.raw_bindings)
    triggers = [binding for binding in bindings if binding.type in TRIGGERS]
    if len(triggers) != 1:
        raise AppError(f"function {found.name!r} has {len(triggers)} triggers; give it exactly one")
    if found.retry_options is not None:
        raise AppError(f"function {found.name!r} has a retry policy, which this host does not run: remove the policy")
    return Function(name=found.name, id=found.function_id, trigger=triggers[0], bindings=bindings)


def _parse_binding(function: str, raw: str, settings: Mapping[str, str]) -> Binding:
    options: dict[str, Any] = json.loads(raw)
    name, kind, direction = str(options["name"]), str(options["type"]), str(options["direction"]).lower()
    known = TRIGGERS if direction == "in" else OUTPUTS
    if kind not in known:
        raise AppError(
            f"function {function!r} has binding {name!r} of type {kind!r} ({direction}), which this host does not run: "
            f"it runs the triggers {', '.join(TRIGGERS)} and the output {', '.join(OUTPUTS)}"
        )
    where = f"binding {name!r} of function {function!r}"
    resolved = {key: resolve_settings(value, settings, where) for key, value in options.items()}
    return Binding(name=name, type=kind, direction=direction, options=resolved)
