"""A body: what a WSGI application returned goes in; the chunks of it, or of our page in its place, leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tocsin.integrations.wsgi.exchange import Environ, Exchange

__all__ = ["CODES", "SizedBody", "close", "dismiss", "stream"]


class SizedBody:
    """Stand in for a container of the application's own: servers look at its length for a Content-Length."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._body = exchange.body

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._exchange)

    def close(self) -> None:
        self._exchange.close()


def stream(environ: Environ, exchange: Exchange, body: Iterable[bytes], is_owner: bool) -> Iterator[bytes]:
    """Yield a body. Empty chunks before the held start are swallowed: nothing has been said by them.

    (If there are no others, one is given out in the end; a server that asks only chunks for the start has to see one.)
    Its own end comes with that of the body, so the last of an answer is sent before anything else happens. Closed
    earlier, it closes the body if it ``is_owner``: a generator's. ``environ`` is a local so that capture finds it.
    """
    is_swallowed = False
    try:
        for chunk in body:
            if not exchange.is_sent:
                if not chunk and type(chunk) is bytes:
                    is_swallowed = True
                    continue
                status = exchange.status
                if type(status) is str and status < "4":  # as `begin` does; its call alone would be 0.05 µs
                    exchange.is_sent = True
                    exchange.server_write = exchange.server_start(status, exchange.headers)
                else:
                    exchange.begin()
            try:
                yield chunk
            except GeneratorExit:
                break  # the server closes; left first, so that it is no context of what the body's closing raises
        else:
            if exchange.is_sent or exchange.status is None:
                return
            exchange.begin()
            if is_swallowed:
                yield b""
            return
    except BaseException as fault:
        answer = exchange.failed(fault, "body")
        if is_owner:  # it waits at a yield if the fault is a refused start, or that there was none
            dismiss(environ, exchange, body, is_answered=answer is not None)
        if answer is None:
            raise
        yield from answer
    else:
        if is_owner:
            close(environ, exchange, body)


def dismiss(environ: Environ, exchange: Exchange, body: Any, *, is_answered: bool) -> None:
    """Close a body that the server won't. What comes out of that is reported, and no reason to lose our page."""
    try:
        close(environ, exchange, body)
    except Exception:
        if not is_answered:
            raise


def close(environ: Environ, exchange: Exchange, body: Any) -> None:
    """Close an application's body, if that can be closed, and report what comes out of it."""
    closing = getattr(body, "close", None)
    if closing is None:
        return
    try:
        closing()
    except BaseException as fault:
        exchange.notice(fault, "close")
        raise


# The functions in whose frames capture finds the request.
CODES: Final = (stream.__code__, close.__code__)
