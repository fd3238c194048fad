"""A user's class with one method goes in, by entry point or dotted path; a sink that keeps the whole contract leaves.

A class needs ``notify(notice)`` or ``deliver(entries)``, nothing else. Its constructor's parameters are its settings;
``None`` returned means accepted; what it raises means "not now". Whatever else of `base.Sink` it defines is used.
"""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar, Final

from tocsin.complaints import complain
from tocsin.config.setting import Setting, boolean
from tocsin.config.sink_table import SINK_SETTINGS
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.event.limits import SAID_CHARS
from tocsin.event.masking.sensitive import SensitiveKeys
from tocsin.event.notice import Notice
from tocsin.render import harmless
from tocsin.sinks.base import Accepted, Entry, Outcome, Refused, Sink, SinkContext, Unavailable
from tocsin.sinks.url import parameters, split

__all__ = ["GROUP", "find", "offered"]

GROUP: Final = "tocsin.sinks"  # of entry points: name = the sink's type
_TAKEN: Final = frozenset({"type", *(setting.name for setting in SINK_SETTINGS)})
# The names of routing's policy, a floor above: what it does not know would stop delivery to all sinks.
_POLICY_OF_MORE: Final = frozenset({"summary_hours", "timezone", "quiet_hours"})
_POLICY_NUMBERS: Final = frozenset(
    [
        "first_within_s",
        "gather_s",
        "silence_s",
        "update_factor",
        "update_interval_s",
        "comeback_days",
        "comeback_interval_s",
        "cap_per_hour",
        "digest_hour",
        "warnings_at_once",
        "warnings_within_s",
        "is_single",
        "tells_end",
        "alive_days",
    ]
)
_PARSERS: Final[Mapping[Any, tuple[Callable[[Any], Any], str]]] = {
    bool: (boolean, "boolean"),
    int: (int, "whole number"),
    float: (float, "number"),
}


def offered() -> dict[str, str]:
    """Return the sink types that installed packages offer, by name, as ``module:Class``."""
    from importlib.metadata import entry_points  # late: it reads every installed package's metadata

    return {point.name: point.value for point in entry_points(group=GROUP)}


def find(kind: str) -> type[Sink] | None:
    """Return the sink class of an entry point's name or of a path such as ``shop.alerts.Pager``; None if it is neither.

    Raises ConfigError where it is there and can't be used.
    """
    target = offered().get(kind) or (kind if "." in kind or ":" in kind else "")
    if not target:
        return None
    module, _, name = target.replace(":", ".").rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as fault:
        raise ConfigError(f"type {kind!r} can't be imported: {fault}{_way_to(module, fault)}") from fault
    except (Exception, SystemExit) as fault:  # a module may do anything when it is imported
        raise ConfigError(f"type {kind!r}: importing {module} raised {type(fault).__name__}: {fault}") from fault
    if not inspect.isclass(found):
        raise ConfigError(f"type {kind!r} is no class")
    return _completed(kind, found)


def _way_to(module: str, fault: Exception) -> str:
    """Return what to do where it is the module itself that isn't found: servers look in other folders than commands."""
    missing = fault.name if isinstance(fault, ModuleNotFoundError) else None
    is_it = missing is not None and f"{module}.".startswith(f"{missing}.")
    return f"; set PYTHONPATH to the folder that {missing} lies in" if is_it else ""


def _completed(kind: str, found: type) -> type[Sink]:
    if all(hasattr(found, name) for name in ("from_options", "options_from_url", "identity", "settings")):
        complete: type[Sink] = found
        return complete
    offers = (("deliver", _OwnEntries), ("notify", _OwnNotices))
    bases = [(method, base) for method, base in offers if hasattr(found, method)]
    if not bases:
        raise ConfigError(f"type {kind!r}: {found.__name__} has neither deliver(entries) nor notify(notice)")
    for method, _ in bases:
        if inspect.iscoroutinefunction(getattr(found, method)):
            raise ConfigError(f"type {kind!r}: {method} must be a plain function; nobody would await it")
    settings = getattr(found, "settings", None) or _settings_of(kind, found)
    policy = getattr(found, "policy", {})
    if not all(isinstance(each, Setting) for each in settings):
        raise ConfigError(f"type {kind!r}: settings must hold objects of tocsin.config.setting.Setting")
    if not isinstance(policy, Mapping) or not all(_is_of_policy(*item) for item in policy.items()):
        names = ", ".join(sorted(_POLICY_NUMBERS | _POLICY_OF_MORE))
        raise ConfigError(f"type {kind!r}: policy must be a mapping of {names}")
    members = {
        "__doc__": inspect.getdoc(found) or f"Hand reports to {found.__name__}.",
        "type": kind.replace(":", "."),
        "settings": settings,
        "idempotency": getattr(found, "idempotency", "delivery is at least once; what is repeated has the same id."),
        "is_local": bool(getattr(found, "is_local", False)),
        "policy": policy,
        "made_by": found,
    }
    return type(found.__name__, (bases[0][1],), members)


def _is_of_policy(name: Any, value: Any) -> bool:
    return name in _POLICY_OF_MORE or (name in _POLICY_NUMBERS and isinstance(value, (int, float)))


def _settings_of(kind: str, found: type) -> tuple[Setting, ...]:
    """Return a constructor's parameters as settings: annotated bool, int and float are parsed, others are passed on."""
    sensitive = SensitiveKeys()
    settings = []
    try:
        given = inspect.signature(found, eval_str=True).parameters.values()
    except (ValueError, NameError, TypeError) as fault:
        raise ConfigError(f"type {kind!r}: its constructor's parameters can't be read: {fault}") from fault
    for parameter in given:
        if parameter.name == "context" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in _TAKEN:
            raise ConfigError(
                f"type {kind!r}: every sink has a setting {parameter.name!r}; name the parameter otherwise"
            )
        parse, type_name = _PARSERS.get(parameter.annotation, (_as_it_is, "value"))
        is_required = parameter.default is parameter.empty
        default = None if is_required else parameter.default
        is_secret = sensitive.covers(parameter.name)
        text = f"see {found.__name__}"
        settings.append(
            Setting(parameter.name, _told(parse, type_name), default, text, "", type_name, is_required, is_secret)
        )
    return tuple(settings)


def _as_it_is(value: Any) -> Any:
    return value


def _told(parse: Callable[[Any], Any], type_name: str) -> Callable[[Any], Any]:
    def parsed(value: Any) -> Any:
        try:
            return parse(value)
        except (TypeError, ValueError):
            raise ValueError(f"must be a {type_name}") from None

    return parsed


class _Veil:
    """Make what a user's code says fit to be shown: masked, without the sink's own secrets, in one line."""

    def __init__(self, context: SinkContext, secrets: Sequence[Any]) -> None:
        self._context = context
        self._secrets = {str(each) for each in secrets if each}

    def said(self, text: Any) -> str:
        """Return a text as it may be shown."""
        return harmless.line(self._context.mask(harmless.without(self._secrets, str(text or ""))), SAID_CHARS)

    def raised(self, fault: BaseException) -> str:
        """Return an exception's type and what it says, which may be nothing, or not be had."""
        try:
            said = self.said(str(fault))
        except Exception:  # noqa: BLE001 - an exception's own text may raise
            said = ""
        return f"{type(fault).__name__}: {said}".rstrip(": ")


class _Own:
    """What a user's class lacks of a sink."""

    type: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]
    idempotency: ClassVar[str]
    is_local: ClassVar[bool]
    policy: ClassVar[Mapping[str, Any]]
    made_by: ClassVar[Any]

    def __init__(self, made: Any, identity: str, veil: _Veil) -> None:
        self._made = made
        self.identity = identity
        self._veil = veil

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> Any:
        """Build the user's object with the options as keywords. Raises ConfigError with what its constructor raises."""
        keywords = dict(options)
        if "context" in inspect.signature(cls.made_by).parameters:
            keywords["context"] = context
        veil = _Veil(context, [options.get(setting.name) for setting in cls.settings if setting.is_secret])
        try:
            made = cls.made_by(**keywords)
            return cls(made, _identity(cls, made, options), veil)
        except ConfigError:
            raise
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - its chain is left out, which may tell a secret
            raise ConfigError(f"{cls.made_by.__name__} can't be made: {veil.raised(fault)}") from None

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Turn ``type:?name=value&…`` into options. Raises ConfigError."""
        parse = getattr(cls.made_by, "options_from_url", None)
        if parse is not None:
            options: dict[str, Any] = parse(url)
            return options
        parts = split(url)
        if parts.netloc or parts.path.strip("/"):
            raise ConfigError(f"its settings are parameters: {cls.type}:?name=value")
        return parameters(parts.query)

    def close(self) -> None:
        """Close the user's object where it can be closed."""
        close = getattr(self._made, "close", None)
        if close is not None:
            try:
                close()
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - as in _guarded; what was delivered is delivered
                complain("sink", f"{self.identity} can't be closed: {self._veil.raised(fault)}")

    def _guarded(self, call: Callable[[], Any]) -> Outcome:
        """Turn whatever a user's method does into an outcome that can be shown, kept and waited for."""
        try:
            answer = call()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - it is anybody's code, and what it raises means "not now"
            where = harmless.line(_where(fault, self._made), SAID_CHARS)
            return Unavailable(self._veil.raised(fault), f"see {where}" if where else "")
        if answer is None or answer is True:
            return Accepted()
        said = self._veil.said
        if isinstance(answer, Accepted):
            return Accepted(said(answer.detail))
        if isinstance(answer, Refused):
            return Refused(said(answer.reason), said(answer.remedy))
        if isinstance(answer, Unavailable):
            return Unavailable(said(answer.reason), said(answer.remedy), _pause(answer.retry_after_s))
        what = type(answer).__name__
        return Unavailable(f"it returned a {what}", "return None, or Accepted, Unavailable or Refused")


class _OwnEntries(_Own):
    def deliver(self, entries: Sequence[Entry]) -> Outcome:
        """Hand the entries over."""
        return self._guarded(lambda: self._made.deliver(entries))


class _OwnNotices(_Own):
    def notify(self, notice: Notice) -> Outcome:
        """Hand the notice over."""
        return self._guarded(lambda: self._made.notify(notice))


def _identity(cls: type[_Own], made: Any, options: Mapping[str, Any]) -> str:
    """Return the object's own identity, else the type and a digest of what it was made with, secrets apart."""
    own = getattr(made, "identity", None)
    if isinstance(own, str) and own:
        return harmless.line(own if own.startswith(f"{cls.type}:") else f"{cls.type}:{own}", limits.NAME_CHARS)
    secrets = {setting.name for setting in cls.settings if setting.is_secret}
    shown = sorted((name, repr(value)) for name, value in options.items() if name not in secrets)
    return f"{cls.type}:{blake2b(repr(shown).encode('utf-8', 'replace'), digest_size=6).hexdigest()}"


def _pause(wished_s: Any) -> float | None:
    """Return how long to wait, as far as it is a number."""
    is_number = isinstance(wished_s, (int, float)) and math.isfinite(wished_s)
    return float(wished_s) if is_number else None


def _where(fault: BaseException, made: Any) -> str:
    """Return file and line where it was raised, in the user's own module if it came through that; no traceback is kept.

    A line of a library that the module calls tells its author little.
    """
    home = getattr(sys.modules.get(type(made).__module__), "__file__", None)
    trace, found, is_home = fault.__traceback__, "", False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == home or not is_home:
            found, is_home = f"{file}:{trace.tb_lineno}", file == home
        trace = trace.tb_next
    return found
