"""Names are found within a deadline; a resolver that hangs is left behind, one thread per name and no more."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tocsin.sinks import resolving
from tocsin.sinks.network import Deadline
from tocsin.sinks.resolving import addresses_of, connected

NAME = "mail.example.org"


class Resolver:
    """Answer as told, and only when let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let = threading.Event()
        self.answered = threading.Semaphore(0)
        self.answer: Any = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))]

    def __call__(self, host: str, port: int, type: int = 0, flags: int = 0) -> Any:
        if flags & socket.AI_NUMERICHOST:
            if host[0].isdigit():
                return [(socket.AF_INET, type, 6, "", (host, port))]
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        self.asked.append(host)
        try:
            assert self.let.wait(30)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer
        finally:
            self.answered.release()


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    found = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found
    found.let.set()
    for _ in found.asked:
        assert found.answered.acquire(timeout=30)
    end = time.monotonic() + 30
    while resolving._under_way:  # the last step of a thread that has answered
        assert time.monotonic() < end
        time.sleep(0)


def test_an_address_is_asked_of_nobody(resolver: Resolver) -> None:
    assert addresses_of("192.0.2.1", 25, socket.SOCK_STREAM, 0.01)[0][4] == ("192.0.2.1", 25)
    assert resolver.asked == []


def test_a_resolver_that_hangs_is_left_and_not_asked_twice(resolver: Resolver) -> None:
    for _ in range(5):
        with pytest.raises(socket.gaierror) as raised:
            addresses_of(NAME, 25, socket.SOCK_STREAM, 0.01)
        assert raised.value.errno == socket.EAI_AGAIN
    assert resolver.asked == [NAME]


def test_an_answer_that_comes_late_is_taken_by_who_waits_then(resolver: Resolver) -> None:
    with pytest.raises(socket.gaierror):
        addresses_of(NAME, 25, socket.SOCK_STREAM, 0.01)
    threading.Timer(0.05, resolver.let.set).start()
    assert addresses_of(NAME, 25, socket.SOCK_STREAM, 30.0) == resolver.answer
    assert resolver.asked in ([NAME], [NAME, NAME])  # twice where the answer came between the two


def test_what_was_answered_is_asked_anew(resolver: Resolver) -> None:
    """A name may lead elsewhere by now."""
    resolver.let.set()
    for _ in range(2):
        assert addresses_of(NAME, 25, socket.SOCK_STREAM, 30.0) == resolver.answer
    assert resolver.asked == [NAME, NAME]


def test_a_name_that_there_is_not_is_said_so(resolver: Resolver) -> None:
    resolver.let.set()
    resolver.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(socket.gaierror, match="not known"):
        addresses_of(NAME, 25, socket.SOCK_STREAM, 30.0)


def test_a_forked_child_asks_for_itself(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its parent's questions, but not the threads that will answer them."""
    with pytest.raises(socket.gaierror):
        addresses_of(NAME, 25, socket.SOCK_STREAM, 0.01)
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    resolver.let.set()
    assert addresses_of(NAME, 25, socket.SOCK_STREAM, 30.0) == resolver.answer
    assert resolver.asked == [NAME, NAME]


def test_where_no_thread_can_be_started_it_is_asked_in_place(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", none_left)
    resolver.let.set()
    assert addresses_of(NAME, 25, socket.SOCK_STREAM, 30.0) == resolver.answer


def test_the_next_address_is_tried_where_one_is_closed(resolver: Resolver) -> None:
    resolver.let.set()
    with socket.create_server(("127.0.0.1", 0)) as open_one, socket.create_server(("127.0.0.1", 0)) as closed:
        addresses = [closed.getsockname(), open_one.getsockname()]
        closed.close()
        resolver.answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        with connected(NAME, 25, Deadline(30.0, 60.0)) as sock:
            assert sock.getpeername() == addresses[1]


def test_a_name_without_addresses_can_not_be_connected_to(resolver: Resolver) -> None:
    resolver.let.set()
    resolver.answer = []
    with pytest.raises(OSError, match="no address"):
        connected(NAME, 25, Deadline(30.0, 60.0))
