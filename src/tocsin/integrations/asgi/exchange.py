"""One ASGI request: what an application sends or raises goes in; its answer leaves to the server, or our page."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from tocsin.capture.disconnects import is_worker_timeout
from tocsin.capture.scopes import Scope, environ_of
from tocsin.complaints import complain
from tocsin.event.environ import COUNTED
from tocsin.event.error_id import ERROR_ID_HEADER
from tocsin.intake.mark import share
from tocsin.integrations.asgi.faults import fault_behind, is_departure, lone_members, original, told_within
from tocsin.integrations.binding import Binding
from tocsin.integrations.faults import is_error
from tocsin.integrations.status import status_line

__all__ = ["PASSED", "RERAISED", "Exchange", "Message", "Send", "failed", "report", "send"]

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
# [whether the server was told a status, the server's send, scope, binding]. A list, because its literal is the cheapest
# object that can change: a slotted one costs 0.1 µs more a request.
Exchange = list[Any]

PASSED: Final = "tocsin.passed"  # scope: an exception that a middleware may have made an answer
RERAISED: Final = "tocsin.reraised"  # scope: the exception that is answered goes on to the server all the same
_HEADER: Final = ERROR_ID_HEADER.lower().encode()  # the ASGI specification wants names in lower case


def send(exchange: Exchange, message: Message) -> Awaitable[None]:
    """Be the application's ``send``, bound to its exchange; look at the status of the answer when it begins.

    A plain function that hands on the server's awaitable: a coroutine around it would cost 0.17 µs.
    """
    try:
        if not exchange[0] and message["type"] == "http.response.start":
            exchange[0] = True
            if message["status"] >= 400:
                message = _marked(exchange, message)
    except Exception:  # noqa: BLE001, S110 - what is no message of ASGI is for the server to refuse
        pass
    answer: Awaitable[None] = exchange[1](message)
    return answer


async def failed(exchange: Exchange, fault: BaseException) -> bool:
    """Report what the application raised; return whether it was answered, else it must be raised again.

    What intake does not report (a client that has gone, an ignored class) is not ours to answer either.
    """
    is_started, server_send, scope, binding = exchange
    scope.pop(PASSED, None)  # it refers to frames that refer to the scope
    is_raised = is_started or binding.is_reraised
    error_id = report(binding, fault, scope, "call", is_raised=is_raised)
    if error_id is None or is_started or not is_error(fault):
        return False
    try:
        if binding.propagates():
            return False
        for message in _page(binding.intake.page, environ_of(scope), error_id):
            await server_send(message)
    except OSError:
        return False  # the client has gone meanwhile
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("asgi", "the 500 page could not be sent", own)
        return False
    return not binding.is_reraised


def report(
    binding: Binding, fault: BaseException, scope: Scope | None, phase: str, *, is_raised: bool = False
) -> str | None:
    """Report an exception, and return its error id; None if it is not to be reported.

    ``phase`` is where it was seen: an exception seen in `send` and again when it leaves the application is one.
    ``scope`` is None outside of requests. ``is_raised``: it goes on to the server, which logs it. CancelledError,
    SystemExit and their like are no errors.
    """
    raised, via = fault, f"{binding.name}.{phase}"
    fault = told_within(original(fault), via)
    if not is_error(fault) and not is_worker_timeout(fault):
        return None
    try:
        environ = None if scope is None else environ_of(scope)
        if environ is not None and is_departure(fault):
            environ.setdefault(COUNTED, "disconnects")  # nor is the 500 that Litestar makes of it
            return None
        intake = binding.intake
        error_id = intake.exception(fault, kind="traceback", via=via, environ=environ)
        for same in (raised, *lone_members(fault)):
            if same is not fault:
                share(fault, same)
        if error_id is not None and environ is not None:
            intake.announce(error_id, environ, is_shown=is_raised)
        return error_id
    except Exception as own:  # noqa: BLE001 - the application's exception wins over ours
        complain("asgi", "an exception could not be reported", own)
        return None


def _marked(exchange: Exchange, message: Message) -> Message:
    """Return the start of an answer with an error status, with the request's error id if it has one."""
    try:
        passed = exchange[2].pop(PASSED, None)  # whatever the status: it refers to frames that refer to the scope
        status = int(message["status"])
        headers = list(message.get("headers", ()))
        is_server_error = 500 <= status < 600
        if is_server_error and _has_error_id(headers):
            return message  # an inner one of ours has reported it, in a scope of its own
        error_id = _error_id(exchange, status, passed, is_server_error)
        if not error_id or not is_server_error:
            return message
        return {**message, "headers": [*headers, (_HEADER, error_id.encode("ascii"))]}
    except Exception as fault:  # noqa: BLE001 - an answer leaves as it is, whatever happens to its report
        complain("asgi", "an answer with an error status could not be reported", fault)
        return message


def _error_id(exchange: Exchange, status: int, passed: BaseException | None, is_server_error: bool) -> str | None:
    _, _, scope, binding = exchange
    if is_server_error:
        # Starlette, and what is made like it, sends its 500 from within the handler of the exception.
        fault = sys.exc_info()[1]
        if fault is None:
            fault = passed
        if fault is not None:
            fault = fault_behind(fault, is_watched=str(status) in binding.intake.watched_statuses)
        if fault is not None:
            return report(
                binding, fault, scope, "send", is_raised=bool(scope.get(RERAISED))
            )  # None, say, for a client that has gone: no error either
    answered: str | None = binding.intake.answer(status_line(status), environ_of(scope))
    return answered


def _page(page: Callable[..., Any], environ: dict[str, Any], error_id: str) -> tuple[Message, Message]:
    _, said, body = page(environ, error_id)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in said]
    if not _has_error_id(headers):
        headers.append((_HEADER, error_id.encode("ascii")))
    return (
        {"type": "http.response.start", "status": 500, "headers": headers},
        {"type": "http.response.body", "body": b"" if environ["REQUEST_METHOD"] == "HEAD" else body},
    )


def _has_error_id(headers: Iterable[Any]) -> bool:
    return any(bytes(name).lower() == _HEADER for name, _ in headers)
