"""`tocsin tail`: the last events and then the new ones, with what was only counted."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tocsin.cli import follow, lately, tail
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.model import ExceptionInfo, Request, Task
from tocsin.spool.writer import Writer


def test_last_events_come_first_and_in_order(spool: Any, call: Any, new_event: Any) -> None:
    ids = [spool.add(new_event(age_s=20 - number), number) for number in range(12)]
    lines = call("tail", "--no-follow", "-n", "3", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == ids[-3:]
    assert lines[0].endswith("ZeroDivisionError: division by zero in shop.orders.pay · POST /pay")
    assert len(call("tail", "--no-follow", "--spool", spool.path).out.splitlines()) == 10


def test_a_template_is_named_as_in_every_report(spool: Any, call: Any, new_event: Any) -> None:
    event = new_event()
    frame = replace(event.exception.frames[-1], module="cart.html", function="block 'body'", file="/srv/cart.html")
    spool.add(replace(event, exception=replace(event.exception, frames=(frame,))), 1)
    assert " in cart.html block 'body' · POST /pay\n" in call("tail", "--no-follow", "--spool", spool.path).out


def test_large_segment_is_read_from_its_end(spool: Any, call: Any, new_event: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(follow, "_WINDOW_BYTES", 700)
    ids = [spool.add(new_event(age_s=20 - number), number) for number in range(9)]
    lines = call("tail", "--no-follow", "-n", "4", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == ids[-4:]


def test_kind_and_level_choose(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    warning = spool.add(new_event("odd", kind="warning"), 2)
    by_kind = call("tail", "--no-follow", "--kind", "warning", "--spool", spool.path).out
    assert by_kind.count("\n") == 1
    assert warning in by_kind
    assert warning not in call("tail", "--no-follow", "--level", "error", "--spool", spool.path).out


def test_json_is_the_line_of_a_file_sink(spool: Any, call: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    line = json.loads(call("tail", "--no-follow", "--json", "--spool", spool.path).out)
    assert (line["error_id"], line["occurrences"], line["origin"]["generation"]) == (error_id, 1, 0)


def test_full_shows_the_traceback(spool: Any, call: Any, new_event: Any) -> None:
    spool.add(new_event(), 1)
    assert "return total / count" in call("tail", "--no-follow", "--full", "--spool", spool.path).out


def test_new_events_and_counts_follow_until_interrupted(
    spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pause of the loop is a turn in which something happens; the third one is Ctrl-C."""
    old = spool.add(new_event(), 1, counted=5)
    monkeypatch.setattr(follow, "_COUNTS_S", 0.0)
    turns = iter(range(3))
    new: list[str] = []

    def happen(seconds: float) -> None:
        turn = next(turns)
        if turn == 0:
            new.append(spool.add(new_event("KeyError"), 2, counted=37))
        elif turn == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(tail.time, "sleep", happen)
    answer = call("tail", "-n", "0", "--spool", spool.path)
    assert answer.code == 0
    first, second = answer.out.splitlines()
    assert first.split()[1] == new[0]
    assert second.split()[1:3] == [new[0][:6], "+37"]
    assert old not in answer.out


def test_empty_spool_has_no_last_events(spool: Any, call: Any) -> None:
    answer = call("tail", "--no-follow", "--spool", spool.path)
    assert (answer.code, answer.out) == (0, "")


def _rich(new_event: Any) -> Any:
    """An event with one of everything that can be chosen by."""
    base = new_event("shop.errors.OutOfStock")
    cause = ExceptionInfo("KeyError", "'sku-17'", ())
    return replace(
        base,
        logger="shop.orders.stock",
        release="2.4.1",
        exception=replace(base.exception, cause=cause),
        request=Request("POST", "/orders/17/pay", route="/orders/<id>/pay", endpoint="orders.pay"),
        task=Task("shop.tasks.send", "celery"),
        tags={"tenant": "acme"},
        fields={"basket": {"colour": "Vermilion [1]"}},
    )


@pytest.mark.parametrize(
    ("options", "is_shown"),
    [
        (["--type", "OutOfStock"], True),
        (["--type", "shop.errors.OutOfStock"], True),
        (["--type", "*Stock"], True),
        (["--type", "KeyError"], True),  # what caused it
        (["--type", "Stock"], False),
        (["--logger", "shop.orders"], True),
        (["--logger", "shop.order"], False),
        (["--route", "/orders/*"], True),
        (["--route", "orders.pay"], True),
        (["--route", "/orders"], False),
        (["--path", "/orders/17/*"], True),
        (["--path", "/orders/1[7]/pay"], False),
        (["--task", "shop.tasks.*"], True),
        (["--task", "send"], False),
        (["--release", "2.4.*"], True),
        (["--release", "2.4"], False),
        (["--tag", "tenant=acme"], True),
        (["--tag", "tenant=*"], True),
        (["--tag", "tenant=other"], False),
        (["--tag", "tenant=acme", "--tag", "region=eu"], False),
        (["--grep", "vermilion [1]"], True),
        (["--grep", "BASKET"], True),  # a name that people gave
        (["--grep", "traceback", "--grep", "vermilion"], True),
        (["--grep", "levelno"], False),  # a name that the schema gave
        (["--grep", "vermilion", "--grep", "teal"], False),
        (["--since", "1h"], True),
        (["--since", "1s"], False),
        (["--level", "critical"], False),
        (["--type", "OutOfStock", "--route", "/cart"], False),  # all has to hold
        (["--type", "OutOfStock", "--route", "/orders/*", "--tag", "tenant=acme", "--kind", "traceback"], True),
    ],
)
def test_all_that_is_chosen_has_to_hold(
    options: list[str], is_shown: bool, spool: Any, call: Any, new_event: Any
) -> None:
    error_id = spool.add(_rich(new_event), 1)
    other = spool.add(replace(new_event("odd", kind="warning"), request=None), 2)
    out = call("tail", "--no-follow", *options, "--spool", spool.path).out
    assert (error_id in out) is is_shown
    assert (other in out) is (options == ["--since", "1h"])


def test_fault_is_chosen_by_error_id_half_of_it_or_fingerprint(spool: Any, call: Any, new_event: Any) -> None:
    ids = [spool.add(new_event(), number) for number in range(3)]
    spool.add(new_event("KeyError"), 9)
    issue = fingerprint(new_event())
    for fault, wanted in ((ids[1], [ids[1]]), (ids[0][:6].lower(), ids), (issue, ids), (issue[:9], ids)):
        lines = call("tail", "--no-follow", "--fault", fault, "--spool", spool.path).out.splitlines()
        assert [line.split()[1] for line in lines] == wanted


def test_last_ones_are_the_last_that_were_chosen(spool: Any, call: Any, new_event: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(follow, "_WINDOW_BYTES", 700)
    wanted = [spool.add(new_event("KeyError", age_s=90 - number), number) for number in range(3)]
    for number in range(30):
        spool.add(new_event(age_s=50 - number), 100 + number)
    lines = call("tail", "--no-follow", "-n", "2", "--type", "KeyError", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == wanted[-2:]


def test_since_shows_all_of_that_time(spool: Any, call: Any, new_event: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(follow, "_WINDOW_BYTES", 700)
    for number in range(20):
        spool.add(new_event(age_s=4000 - number), number)
    late = [spool.add(new_event(age_s=90 - number), 100 + number) for number in range(15)]
    lines = call("tail", "--no-follow", "--since", "1h", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == late


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tag", "tenant"], "'tenant' must be NAME=VALUE"),
        (["--tag", "=x"], "'=x' must be NAME=VALUE"),
        (["--fault", "17"], "'17' is not an error id"),
        (["--since", "soon"], "'soon'"),
        (["--grep", ""], "--grep is empty"),
        (["--route", ""], "--route is empty"),
        (["-n", "-3"], "must be a whole number"),
    ],
)
def test_value_that_can_not_be_chosen_by_is_wrong_usage(options: list[str], said: str, spool: Any, call: Any) -> None:
    answer = call("tail", *options, "--no-follow", "--spool", spool.path)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_storm_and_losses_are_told(spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_COUNTS_S", 0.0)
    turns = iter(range(3))

    def happen(seconds: float) -> None:
        turn = next(turns)
        if turn == 0:
            spool.add(new_event(), 1, counted=400)
            spool.writer.tally("internal", 3)
        elif turn == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(tail.time, "sleep", happen)
    lines = call("tail", "-n", "0", "--spool", spool.path).out.splitlines()
    assert len(lines) == 3
    assert "+400" in lines[1]
    assert "×401 in the last minute: ZeroDivisionError" in lines[1]
    assert lines[2].split()[1:3] == ["+3", "loss"]
    assert "internal" in lines[2]


def test_counts_are_chosen_by_the_first_report_of_their_fault(
    spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_COUNTS_S", 0.0)
    turns = iter(range(3))

    def happen(seconds: float) -> None:
        turn = next(turns)
        if turn == 0:
            spool.add(new_event(), 1, counted=4)
            spool.add(new_event("KeyError"), 2, counted=5)
        elif turn == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(tail.time, "sleep", happen)
    out = call("tail", "-n", "0", "--type", "KeyError", "--spool", spool.path).out
    assert "+5" in out
    assert "+4" not in out


def test_rate_is_that_of_the_last_minute_and_bounded() -> None:
    rate = lately.Lately()
    assert [rate.add("a", 5, 0.0), rate.add("a", 1, 30.5), rate.add("a", 1, 59.9), rate.add("a", 1, 60.0)] == [
        5,
        6,
        7,
        3,
    ]
    for number in range(5_000):
        rate.add(str(number), 1, 61.0)
    assert len(rate._seconds) == 1_000
    assert rate.add("a", 1, 61.0) == 1


def test_spool_that_is_made_anew_is_followed(
    spool: Any, call: Any, new_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.add(new_event(), 1)
    turns = iter(range(4))
    new: list[str] = []

    def happen(seconds: float) -> None:
        turn = next(turns)
        if turn == 0:
            shutil.rmtree(spool.folder.path)
        elif turn == 1:
            spool.folder.prepare()
            other = Writer(spool.folder, about={"application": "shop"})
            new.append(type(spool)(spool.folder, other).add(new_event("KeyError"), 2))
            other.close()
        elif turn == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(tail.time, "sleep", happen)
    lines = call("tail", "-n", "0", "--spool", spool.path).out.splitlines()
    assert [line.split()[1] for line in lines] == new


def test_reader_that_goes_away_ends_it_though_nothing_happens(spool: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    command = f"{sys.executable} -m tocsin.cli tail --spool {spool.path} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert error_id in done.stdout


def test_interrupt_ends_it_without_a_traceback(spool: Any, new_event: Any) -> None:
    error_id = spool.add(new_event(), 1)
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin.cli", "tail", "--spool", spool.path], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert error_id in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
