"""The WSGI middleware against a fake server and `wsgiref.validate`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from recording_intake import RecordingIntake
from tocsin.capture.requests import MIDDLEWARE_CODES
from tocsin.complaints import swallowed
from tocsin.integrations.wsgi import wsgi
from wsgi_cases import CASES, TEXT, Case, by_name


@dataclass
class Answer:
    """What a client gets, and what the server had to bear."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    raised: BaseException | None = None
    starts: int = 0


def environ_of(method: str = "GET", **more: Any) -> dict[str, Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "wsgi.file_wrapper": FileWrapper, "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO()
    return environ | more


def serve(app: Callable[..., Any], environ: dict[str, Any]) -> Answer:
    """Be a server by the letter of PEP 3333; headers leave with the first chunk that is not empty, or at the end."""
    answer = Answer()
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        answer.starts += 1
        if exc_info and answer.status:
            raise exc_info[1].with_traceback(exc_info[2])
        if not exc_info:
            assert not said, "started twice"
        said[:] = [status, headers]
        return write

    def write(chunk: bytes) -> None:
        assert said, "a chunk before the start"
        answer.status, answer.headers = said
        answer.body += chunk

    body: Any = None
    try:
        body = app(environ, start_response)
        try:
            for chunk in body:
                if chunk:
                    write(chunk)
            if said:
                write(b"")
        finally:
            if hasattr(body, "close"):
                body.close()
    except BaseException as fault:
        answer.raised = fault
    return answer


def names(cases: list[Case]) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in cases]


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def check(case: Case, wrap: Callable[[Any], Any] = lambda app: app) -> None:
    intake, closed, swallowed_before = RecordingIntake(), Counter(), swallowed()
    got = serve(wrap(wsgi(wrap(case.make(closed)), intake)), environ_of(case.method))
    assert type(got.raised) is (case.raised or type(None)), got.raised
    assert intake.told("exception") == list(case.reports)
    assert intake.told("answer", "status") == list(case.answers)
    assert intake.told("announce", "id") == intake.told("exception", "id")
    assert closed.count == case.closes
    error_ids = [value for name, value in got.headers if name == "X-Error-Id"]
    assert got.starts <= (2 if case.name == "handles_its_failure_too_late" else 1)
    assert swallowed() == swallowed_before
    if case.outcome == "page":
        status, headers, body = intake.page({}, error_ids[0])
        assert (got.status, got.headers) == (status, [*headers, ("X-Error-Id", error_ids[0])])
        assert got.body == (b"" if case.method == "HEAD" else body)
        return
    bare = serve(case.make(lambda: None), environ_of(case.method))
    assert (got.status, got.body) == (case.status, case.body) == (bare.status, bare.body)
    assert len(error_ids) == (case.outcome == "marked")
    assert [header for header in got.headers if header[0] != "X-Error-Id"] == bare.headers


@pytest.mark.parametrize("case", names(CASES))
def test_case(case: Case) -> None:
    """Each case of the table comes out as it says."""
    check(case)


@pytest.mark.parametrize("case", names([case for case in CASES if case.is_valid]))
def test_case_is_valid_on_both_sides(case: Case) -> None:
    """The middleware keeps PEP 3333 towards the server and towards the application."""
    check(case, validator)


def guarded(app: Any, **more: Any) -> tuple[Any, RecordingIntake]:
    intake = RecordingIntake(**more)
    return wsgi(app, intake), intake


def starting(body: Any, status: str = "200 OK", headers: list[tuple[str, str]] | None = None) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [TEXT] if headers is None else headers)
        return body

    return app


@pytest.mark.parametrize("body", [[b"x"], (b"x",), b"x", FileWrapper(io.BytesIO(b"x")), []])
def test_containers_and_wrapped_files_pass_as_the_same_object(body: Any) -> None:
    app, _ = guarded(starting(body))
    assert app(environ_of(), lambda *args: print) is body


def test_a_file_passes_untouched_where_the_wrapper_is_a_function() -> None:
    """uWSGI compares the returned object with the file it was given."""
    file = io.BytesIO(b"x")
    app, _ = guarded(starting(file))
    assert app(environ_of(**{"wsgi.file_wrapper": lambda file, size=0: file}), lambda *args: print) is file


def test_an_iterable_with_a_length_keeps_it() -> None:
    """Servers set Content-Length for a body whose length is one."""

    class One:
        def __iter__(self) -> Any:
            return iter((b"x",))

        def __len__(self) -> int:
            return 1

    app, _ = guarded(starting(One()))
    assert len(app(environ_of(), lambda *args: print)) == 1


def test_server_start_is_held_until_the_first_chunk() -> None:
    app, _ = guarded(starting(iter((b"", b"a", b"b"))))
    starts: list[Any] = []
    body = iter(app(environ_of(), lambda *args: starts.append(args)))
    assert starts == []
    assert next(body) == b"a"
    assert starts == [("200 OK", [TEXT])]


def test_close_reaches_a_body_that_was_never_iterated_and_only_once() -> None:
    closed = Counter()
    app, intake = guarded(by_name("a_stream_with_close").make(closed))
    body = app(environ_of(), lambda *args: print)
    body.close()
    body.close()
    assert closed.count == 1
    assert intake.events == []


def test_early_close_reaches_a_generator_as_generator_exit_and_is_no_error() -> None:
    left: list[str] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        try:
            yield b"a"
            yield b"b"
        except GeneratorExit:
            left.append("early")
            raise

    wrapped, intake = guarded(app)
    body = wrapped(environ_of(), lambda *args: print)
    assert next(iter(body)) == b"a"
    body.close()
    assert left == ["early"]
    assert intake.events == []


def test_close_comes_after_the_server_knows_that_the_body_has_ended() -> None:
    """Work done in close() must not hold back the end of the answer."""
    closed = Counter()
    app, _ = guarded(by_name("a_stream_with_close").make(closed))
    assert list(app(environ_of(), lambda *args: print)) == [b"hello ", b"world"]
    assert closed.count == 0


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("place", ["call", "body", "close"])
def test_exits_pass_unreported(fault: BaseException, place: str) -> None:
    def fail(at: str) -> None:
        if place == at:
            raise fault

    class Body:
        def __iter__(self) -> Any:
            fail("body")
            yield b"x"

        def close(self) -> None:
            fail("close")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        fail("call")
        return Body()

    wrapped, intake = guarded(app)
    assert serve(wrapped, environ_of()).raised is fault
    assert intake.events == []


def test_worker_timeout_is_reported_and_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.integrations.wsgi.exchange.is_worker_timeout", lambda exc: isinstance(exc, SystemExit))

    def app(environ: Any, start_response: Any) -> Any:
        raise SystemExit(1)

    wrapped, intake = guarded(app)
    answer = serve(wrapped, environ_of())
    assert isinstance(answer.raised, SystemExit)
    assert answer.starts == 0
    assert intake.told("exception") == ["SystemExit"]


@pytest.mark.parametrize("body", [[b"x"], iter((b"x",)), FileWrapper(io.BytesIO(b"x"))], ids=["list", "iter", "file"])
def test_refused_headers_are_reported_raised_and_close_the_body(body: Any) -> None:
    def start_response(*args: Any) -> Any:
        raise LookupError("a header is not valid")

    app, intake = guarded(starting(body))
    with pytest.raises(LookupError):
        list(app(environ_of(), start_response))
    assert intake.told("exception") == ["LookupError"]
    if isinstance(body, FileWrapper):
        assert body.filelike.closed


@pytest.mark.parametrize("is_lenient", [True, False])
def test_a_second_start_without_exc_info_is_the_servers_to_judge(is_lenient: bool) -> None:
    """A fatal error by PEP 3333, yet gevent and uWSGI take it; applications that live by that go on living."""
    told: list[str] = []

    def start_response(status: str, *more: Any) -> Any:
        if told and not is_lenient:
            raise AssertionError("twice")
        told.append(status)

    def starting_twice(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        start_response("404 Not Found", [TEXT])
        return [b"x"]

    app, intake = guarded(starting_twice)
    if is_lenient:
        assert app(environ_of(), start_response) == [b"x"]
        assert told == ["200 OK", "404 Not Found"]
        assert intake.events == []
    else:
        with pytest.raises(AssertionError, match="twice"):
            app(environ_of(), start_response)
        assert intake.told("exception") == ["AssertionError"]


@pytest.mark.parametrize("fault", [SystemExit(1), ConnectionResetError(), GeneratorExit()])
@pytest.mark.parametrize("place", ["call", "body"])
def test_a_failure_that_is_not_ours_to_answer_leaves_the_server_told_of_the_start(
    fault: BaseException, place: str
) -> None:
    """Without us it would know by then; uWSGI and cheroot send it."""
    started: list[Any] = []

    def body() -> Any:
        raise fault
        yield b""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return body() if place == "body" else next(body())

    with pytest.raises(type(fault)):
        list(guarded(app)[0](environ_of(), lambda *args: started.append(args)))
    assert started == [("200 OK", [TEXT])]


def test_headers_are_those_of_the_moment_of_the_start() -> None:
    """Servers take them then; what the application does to its list before its body begins is nobody's business."""
    headers = [TEXT]

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", headers)
        headers.append(("X-Late", "1"))
        yield b"x"

    assert serve(guarded(app)[0], environ_of()).headers == [TEXT]


def test_a_server_that_waits_for_a_chunk_sees_one_if_there_was_one() -> None:
    """Hypercorn sends the start of an answer with its first chunk, also an empty one, and never without."""
    app, _ = guarded(starting(iter((b"", b""))))
    assert list(app(environ_of(), lambda *args: print)) == [b""]


def test_a_generator_passes_as_a_generator_and_is_closed_where_capture_finds_the_request() -> None:
    found: list[list[dict[str, Any]]] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        try:
            yield b"a"
        finally:
            found.append(frames_with_environ())

    environ = environ_of()
    body = guarded(app)[0](environ, lambda *args: print)
    assert next(body) == b"a"
    body.close()
    assert found == [[environ, environ]]


def test_an_error_in_closing_a_generator_is_told_once_and_without_a_context_of_ours() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        try:
            yield b"a"
        except GeneratorExit:
            pass
        raise ValueError("while closing")

    wrapped, intake = guarded(app)
    body = wrapped(environ_of(), lambda *args: print)
    next(body)
    with pytest.raises(ValueError, match="while closing") as caught:
        body.close()
    assert caught.value.__context__ is None
    assert intake.told("exception") == ["ValueError"]


def test_headers_of_the_application_are_not_mutated() -> None:
    headers = [TEXT]
    app, _ = guarded(starting([b"x"], "500 Oops", headers))
    assert ("X-Error-Id", "7K3QDM-0001") in serve(app, environ_of()).headers
    assert headers == [TEXT]


def test_an_error_id_that_is_there_already_is_not_doubled() -> None:
    app, _ = guarded(starting([b"x"], "500 Oops", [TEXT, ("x-error-id", "mine")]))
    assert serve(app, environ_of()).headers == [TEXT, ("x-error-id", "mine")]


def test_unwatched_server_error_carries_the_id_of_what_the_request_reported() -> None:
    app, intake = guarded(starting([b"x"], "503 Down"))
    answer = serve(app, environ_of(**{"tocsin.error_id": "7K3QDM-0009"}))
    assert ("X-Error-Id", "7K3QDM-0009") in answer.headers
    assert intake.events == []


def failing(environ: Any, start_response: Any) -> Any:
    raise ValueError("the application's own")


@pytest.mark.complaints
@pytest.mark.parametrize("part", ["exception", "announce", "page"])
def test_an_intake_that_fails_leaves_the_applications_exception(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    app, intake = guarded(failing)
    setattr(intake, part, lambda *args, **named: 1 / 0)
    answer = serve(app, environ_of())
    assert isinstance(answer.raised, ValueError)
    assert answer.starts == 0


@pytest.mark.complaints
def test_an_intake_that_fails_leaves_an_answer_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    app, intake = guarded(starting([b"x"], "500 Oops"))
    intake.answer = lambda *args: 1 / 0  # type: ignore[method-assign]
    assert serve(app, environ_of()).headers == [TEXT]


@pytest.mark.complaints
def test_a_server_that_refuses_the_page_gets_the_applications_exception(capsys: pytest.CaptureFixture[str]) -> None:
    def start_response(*args: Any) -> Any:
        raise LookupError("no")

    app, _ = guarded(failing)
    with pytest.raises(ValueError, match="own"):
        app(environ_of(), start_response)


def test_an_upgraded_connection_is_never_answered() -> None:
    """A websocket handler may have taken the socket over: told, raised, no page written into it."""
    app, intake = guarded(failing)
    answer = serve(app, environ_of(HTTP_UPGRADE="websocket"))
    assert isinstance(answer.raised, ValueError)
    assert answer.starts == 0
    assert intake.told("exception") == ["ValueError"]


def test_stop_iteration_of_a_websocket_handler_passes_unreported() -> None:
    """It is how websocket libraries tell gunicorn that they are done."""

    def app(environ: Any, start_response: Any) -> Any:
        raise StopIteration

    wrapped, intake = guarded(app)
    assert isinstance(serve(wrapped, environ_of(HTTP_UPGRADE="WebSocket")).raised, StopIteration)
    assert intake.events == []


@pytest.mark.parametrize("body", [[], b"", ()])
def test_an_empty_body_without_a_start_passes(body: Any) -> None:
    """So do websocket handlers of servers take their leave."""
    app, intake = guarded(lambda environ, start_response: body)
    assert serve(app, environ_of()) == Answer()
    assert intake.events == []


def test_nested_wrapping_reports_once() -> None:
    intake = RecordingIntake()
    inner = wsgi(by_name("fails_after_the_first_chunk").make(lambda: None), intake)
    answer = serve(wsgi(lambda environ, start_response: inner(environ, start_response), intake), environ_of())
    assert isinstance(answer.raised, ValueError)
    assert intake.told("exception") == ["ValueError"]


def test_the_first_request_wakes_delivery() -> None:
    app, intake = guarded(starting([b"x"]))
    assert intake.wakes == 0
    serve(app, environ_of())
    serve(app, environ_of())
    assert intake.wakes == 1


def test_wrapping_again_returns_the_same_and_binds_the_last_intake() -> None:
    first, second = RecordingIntake(), RecordingIntake()
    app = wsgi(failing, first)
    assert wsgi(app, first) is app
    assert wsgi(app, second) is app
    serve(app, environ_of())
    assert (first.told("exception"), second.told("exception")) == ([], ["ValueError"])


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_the_application_comes_back_as_it_is(mode: str) -> None:
    assert guarded(failing, mode=mode)[0] is failing


def frames_with_environ() -> list[dict[str, Any]]:
    frame, found = sys._getframe(1), []
    while frame is not None:
        if id(frame.f_code) in MIDDLEWARE_CODES:
            found.append(frame.f_locals["environ"])
        frame = frame.f_back  # type: ignore[assignment]
    return found


def test_the_request_is_found_on_the_stack_in_call_body_and_close() -> None:
    seen: dict[str, list[dict[str, Any]]] = {}

    class Body:
        def __iter__(self) -> Any:
            seen["body"] = frames_with_environ()
            yield b"x"

        def close(self) -> None:
            seen["close"] = frames_with_environ()

    def app(environ: Any, start_response: Any) -> Any:
        seen["call"] = frames_with_environ()
        start_response("200 OK", [TEXT])
        return Body()

    environ = environ_of()
    serve(guarded(app)[0], environ)
    assert [len(found) for found in seen.values()] == [1, 1, 1]
    assert all(found[0] is environ for found in seen.values())
