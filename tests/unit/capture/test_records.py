"""Log records: their kind, their message without foreign code, their fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest

from tocsin.capture import records
from tocsin.event.masking.scrub import Scrubber

SCRUBBER = Scrubber()


def _record(msg: Any, *args: Any, level: int = logging.ERROR, name: str = "shop", **extra: Any) -> logging.LogRecord:
    exc_info = extra.pop("exc_info", None)
    function = extra.pop("function", "view")
    record = logging.LogRecord(name, level, "/srv/shop/orders.py", 12, msg, (), exc_info, function)
    # As logging does it, but without its look at the argument's class.
    record.args = args[0] if len(args) == 1 and type(args[0]) is not Hostile and isinstance(args[0], Mapping) else args
    record.__dict__.update(extra)
    return record


def _exc_info(exc: BaseException) -> Any:
    return (type(exc), exc, None)


class Hostile:
    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("foreign code ran")

    __repr__ = __str__ = __format__ = __int__ = __len__ = __getattribute__ = _refuse  # type: ignore[assignment]
    __getitem__ = keys = __iter__ = _refuse


DESCRIBED = f"<{Hostile.__module__}.Hostile>"


@pytest.mark.parametrize(
    ("name", "msg", "function"),
    [
        ("shop", "Exception on /x [GET]", "log_exception"),
        ("django.request", "Internal Server Error: %s", "log_response"),
        ("gunicorn.error", "Error handling request %s", "handle_error"),
        ("uvicorn.error", "Exception in ASGI application\n", "run_asgi"),
        ("asyncio", "Task exception was never retrieved\nfuture: x", "default_exception_handler"),
        ("celery.app.trace", "Task %(name)s[%(id)s] %(description)s", "_log_error"),
        ("concurrent.futures", "exception calling callback for %r", "x"),
        ("apscheduler.executors.default", 'Job "%s" raised an exception', "run_job"),
    ],
)
def test_uncaught_reports_of_frameworks_are_tracebacks(name: str, msg: str, function: str) -> None:
    """Nobody caught these exceptions: the framework's last resort logged them."""
    record = _record(msg, name=name, function=function)
    assert records.kind_of(record, True) == "traceback"
    assert records.kind_of(record, False) == "error"


def test_other_records_go_by_level() -> None:
    """logger.exception() by hand is an error with an exception attached."""
    assert records.kind_of(_record("could not pay"), True) == "error"
    assert records.kind_of(_record("x", level=logging.WARNING), True) == "warning"
    assert records.kind_of(_record("Exception on the way"), True) == "error"
    assert records.kind_of(_record("x", name="asyncio.own", level=logging.CRITICAL), False) == "error"


def test_status_code_decides_not_the_level() -> None:
    """A 404 is no warning, a suspicious 400 logged as ERROR is no error, a 500 is one."""
    missing = _record("Not Found: %s", "/x", level=logging.WARNING, status_code=404)
    bad = _record("Bad Request", level=logging.ERROR, status_code=HTTPStatus.BAD_REQUEST)
    broken = _record("Internal Server Error: /x", name="django.request", status_code=500)
    assert not records.is_admitted(missing)
    assert records.is_admitted(bad)
    assert records.read(bad).kind == "warning"
    assert records.kind_of(broken, True) == "traceback"
    assert records.is_admitted(missing, (404,))
    assert not records.is_admitted(_record("x", status_code=503))
    assert records.is_admitted(_record("x", status_code=503, exc_info=_exc_info(ValueError())))
    assert records.is_admitted(_record("x", status_code="404"))


def test_builtin_arguments_are_formatted_as_logging_does() -> None:
    """For harmless values the message is logging's own."""
    for record in (
        _record("order %s of %r costs %.2f", 5, "bob", 1.5),
        _record("%(a)s and %(b)d", {"a": [1, (2, {"x": None})], "b": 3}),
        _record("100%"),
        _record("%s %s", Decimal("1.5"), b"x"),
        _record("%d%%", HTTPStatus.OK),
    ):
        assert records.text_of(record).message == record.getMessage()


def test_no_foreign_code_runs_in_formatting() -> None:
    """Objects are described, wrong format strings show their arguments."""
    for msg, args, message in (
        ("got %s", (Hostile(),), f"got {DESCRIBED}"),
        ("got %r", ([Hostile()],), f"got [{DESCRIBED}]"),
        ("got %d", (Hostile(),), f"got %d ({DESCRIBED},)"),
        ("got %s %s", (1,), "got %s %s (1,)"),
        ("got", (1, 2), "got (1, 2)"),
        ("failed: %s", (ValueError("bad", Hostile()),), f"failed: ('bad', {DESCRIBED})"),
        ("type %s", (ValueError,), "type <class ValueError>"),
        (Hostile(), (), DESCRIBED),
        ({"a": Hostile()}, (), f"{{'a': {DESCRIBED}}}"),
        (ValueError("bad"), (), "bad"),
        (None, (), "None"),
    ):
        assert records.text_of(_record(msg, *args)).message == message


def test_foreign_mapping_as_argument_is_described() -> None:
    """logging unpacks a single mapping; its methods are not called."""

    class Foreign(Mapping):  # type: ignore[type-arg]
        __getitem__ = __iter__ = Hostile._refuse  # type: ignore[assignment]

        def __len__(self) -> int:
            return 1

    assert "Foreign" in records.text_of(_record("got %s", Foreign())).message


def test_named_arguments_are_masked_by_their_names() -> None:
    """Once formatted they have no name any more, so they are masked before."""
    values = {"user": "bob", "password": "hunter2", "token": None, "n": 3, "pin": "4711"}
    record = _record("login %(user)s %(password)s %(token)s %(n)d %(pin)s", values)
    assert records.text_of(record).message == "login bob [masked: password] None 3 4711"
    own = Scrubber(["pin"])
    assert records.read(record, own.hides).message == "login bob [masked: password] None 3 [masked: pin]"
    off = Scrubber(is_on=False)
    assert records.read(record, off.hides).message == "login bob hunter2 None 3 4711"
    assert values["password"] == "hunter2"


def test_named_arguments_stay_masked_where_the_template_is_wrong() -> None:
    """What can't be formatted shows its arguments, not its secrets."""
    for template in ("login %(user)s %(missing)s", "login %(password)d", "login %s %s"):
        message = records.text_of(_record(template, {"user": "bob", "password": "hunter2"})).message
        assert "hunter2" not in message
        assert "bob" in message


def test_pieces_are_complete() -> None:
    """Message, template, extra fields and place; masking is done when an event is made of it."""
    record = _record("order=%s", 7, order=5, request=Hostile(), exc_info=_exc_info(ValueError("x")))
    piece = records.read(record)
    assert (piece.message, piece.template, piece.is_formatted) == ("order=7", "order=%s", False)
    assert piece.fields == {"order": 5}
    assert piece.location == "orders.view:12"


def test_a_message_without_arguments_counts_as_formatted() -> None:
    """It may be an f-string's result."""
    assert records.read(_record("order 5")).is_formatted


def test_fields_that_are_odd_raise_nothing() -> None:
    """Extra fields may be anything."""
    fields = SCRUBBER.fields(records.extra_of(_record("x", a=Hostile(), b={1: Hostile()}, tocsin_mark=1)))
    assert fields == {"a": DESCRIBED, "b": {"1": DESCRIBED}}


def test_exception_is_taken_from_whatever_form_it_came_in() -> None:
    """A tuple, an exception, or nothing."""
    exc = ValueError()
    assert records.exception_of(_record("x", exc_info=_exc_info(exc))) is exc
    assert records.exception_of(_record("x", exc_info=exc)) is exc
    for nothing in (None, (None, None, None), True, Hostile()):
        assert records.exception_of(_record("x", exc_info=nothing)) is None
    assert records.process_name() == "MainProcess"
