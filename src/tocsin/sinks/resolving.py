"""A host's name goes in; its addresses, or a connection, leave within a deadline, which the system's resolver has not.

A name server that never answers holds `getaddrinfo` for half a minute, a directory service behind it for ever, and
nothing can break that off. So it runs in a thread of its own, which is left behind; whoever asks for that name again
waits for the same answer. So there is one such thread per name at most, that is one per sink.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from tocsin.sinks.network import Deadline
from tocsin.system.native import native

__all__ = ["Found", "addresses_of", "connected"]

Found: TypeAlias = Sequence[tuple[int, int, int, str, Any]]  # what socket.getaddrinfo returns
_Key: TypeAlias = tuple[int, str, int, int]

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

# By pid: a fork copies the questions, but not the threads that answer them.
_under_way: dict[_Key, _Question] = {}


class _Question:
    """Be one call of the resolver, for as many as wait for it."""

    def __init__(self, key: _Key) -> None:
        self._key = key
        self._found: Found = ()
        self._fault: Exception | None = None
        self._answered = native("_thread", "allocate_lock")()
        self._answered.acquire()

    def ask(self) -> None:
        """Call the resolver. It waits as long as it likes."""
        _, host, port, kind = self._key
        try:
            self._found = native("socket", "getaddrinfo")(host, port, type=kind)
        except Exception as fault:  # noqa: BLE001 - raised again where somebody waits for the answer
            self._fault = fault
        finally:
            _under_way.pop(self._key, None)
            self._answered.release()

    def answer(self, timeout_s: float) -> Found:
        """Wait for the answer. Raises gaierror, also where there is none in time."""
        if not self._answered.acquire(timeout=timeout_s):
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {timeout_s:.1f} s")
        self._answered.release()  # for the next one who waits
        if self._fault is not None:
            raise self._fault
        return self._found


def addresses_of(host: str, port: int, kind: int, timeout_s: float) -> Found:
    """Return what a name resolves to, as `socket.getaddrinfo`; ``kind`` is SOCK_STREAM or SOCK_DGRAM.

    Raises gaierror, also where nothing answers within ``timeout_s``.
    """
    try:
        return socket.getaddrinfo(host, port, type=kind, flags=_NUMERIC)  # an address is asked of nobody
    except socket.gaierror:
        pass
    key = (os.getpid(), host, port, kind)
    fresh = _Question(key)
    question = _under_way.setdefault(key, fresh)
    if question is fresh:
        try:
            native("_thread", "start_new_thread")(question.ask, ())
        except RuntimeError:  # no thread any more at the interpreter's end
            question.ask()
    return question.answer(timeout_s)


def connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a connection over TCP to the first address that takes it; resolving, and each address, are a step.

    Raises OSError: of the last address, or of the name.
    """
    deadline.begin()
    found = addresses_of(host, port, socket.SOCK_STREAM, deadline.remaining_s())
    fault: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
    for family, kind, protocol, _, address in found:
        deadline.begin()
        try:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(deadline.remaining_s())
                sock.connect(address)
            except OSError:
                sock.close()
                raise
        except OSError as error:
            fault = error
        else:
            return sock
    raise fault
