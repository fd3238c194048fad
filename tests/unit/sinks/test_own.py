"""A user's class with one method is a sink: found by entry point or path, completed, never believed blindly."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tocsin.config.sink_table import SinkTable
from tocsin.event.errors import ConfigError
from tocsin.routing.policy import Policy
from tocsin.sinks import own, registry
from tocsin.sinks.base import Accepted, Refused, SinkContext, Unavailable
from tocsin.testing import SinkContract
from tocsin.testing.contract import entry_of, notice_of
from tocsin.testing.hostile import HOSTILE

CONTEXT = SinkContext("shop", "production", "web-1", lambda text: text.replace("hunter2", "[masked]"))
NOTICE = notice_of("new", HOSTILE[0].make())


class Unsayable(Exception):
    """Have no text."""

    def __str__(self) -> str:
        raise ValueError


SOURCE = '''
import json
from pathlib import Path

class Keeper:
    """Keep every notice's id in a file.

    More words."""

    def __init__(self, path: str, times: int = 1, is_loud: bool = False, api_token: str = "") -> None:
        self.path, self.times, self.is_loud, self.api_token = path, times, is_loud, api_token

    def notify(self, notice):
        with open(self.path, "a") as file:
            file.write(" ".join(issue.prefix for issue in notice.issues) + "\\n")

class Lines:
    def __init__(self, path):
        self.path = path

    def deliver(self, entries):
        with open(self.path, "ab") as file:
            file.writelines(entry.line + b"\\n" for entry in entries)

class Answering:
    answer = None

    def notify(self, notice):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

class WithContext:
    def __init__(self, context):
        self.identity = "at:" + context.application

    def notify(self, notice):
        pass

class Broken:
    def __init__(self):
        raise RuntimeError("no display")

    def notify(self, notice):
        pass

class Nothing:
    pass

class Parsing:
    def notify(self, notice):
        json.loads("{")

class Exiting:
    def __init__(self, password="x"):
        raise SystemExit(f"no {password}")

    def notify(self, notice):
        pass

class Awaited:
    async def notify(self, notice):
        pass

class Taken:
    def __init__(self, level="x"):
        pass

    def notify(self, notice):
        pass

class Policed:
    policy = 5

    def notify(self, notice):
        pass

class Odd:
    policy = {"cap_per_hour": "ten"}

    def notify(self, notice):
        pass

class Strange:
    policy = {"nonsense": 1}

    def notify(self, notice):
        pass

class Unset:
    settings = ["x"]

    def notify(self, notice):
        pass

class Secretive:
    def __init__(self, password):
        self.password, self.identity = password, "a\\nb"

    def notify(self, notice):
        raise ValueError(f"{self.password} won't do")

    def close(self):
        raise SystemExit(self.password)

a_function = len
'''


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "shop_alerts.py").write_text(SOURCE)
    (tmp_path / "shop_exits.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "shop_alerts"
    sys.modules.pop("shop_alerts", None)


def build(**options: Any) -> Any:
    built, faults = registry.build([SinkTable(options)], CONTEXT)
    if faults:
        raise ConfigError(faults)
    return built[0].sink


class TestNotices(SinkContract):
    """A class with `notify` alone keeps the contract."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "notices"

    def new_sink(self) -> Any:
        return build(type="shop_alerts.Keeper", path=str(self.path))

    def received(self) -> Sequence[str]:
        return self.path.read_text().splitlines()


class TestEntries(SinkContract):
    """A class with `deliver` alone keeps the contract."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "lines"

    def new_sink(self) -> Any:
        return build(type="shop_alerts:Lines", path=str(self.path))

    def received(self) -> Sequence[str]:
        return self.path.read_text().splitlines()


def test_parameters_of_the_constructor_are_settings(tmp_path: Path) -> None:
    """Annotated ones are parsed, as the environment and URLs hold text only; a secret's file is read."""
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    made = build(type="shop_alerts.Keeper", path="/x", times="3", is_loud="yes", api_token_file=str(token))._made
    assert (made.times, made.is_loud, made.api_token) == (3, True, "hunter2")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"type": "shop_alerts.Keeper"}, "path is required"),
        ({"type": "shop_alerts.Keeper", "path": "x", "tims": 3}, "unknown setting 'tims'; did you mean 'times'?"),
        ({"type": "shop_alerts.Keeper", "path": "x", "times": "many"}, "times must be a whole number (it is 'many')"),
        ({"type": "shop_alerts.Nothing"}, "Nothing has neither deliver(entries) nor notify(notice)"),
        ({"type": "shop_alerts.Missing"}, "can't be imported: module 'shop_alerts' has no attribute 'Missing'"),
        ({"type": "no_such_module.Keeper"}, "can't be imported: No module named 'no_such_module'"),
        ({"type": "shop_alerts.a_function"}, "is no class"),
        ({"type": "shop_alerts.Broken"}, "Broken can't be made: RuntimeError: no display"),
        ({"type": "no_such_module.Keeper"}, "; set PYTHONPATH to the folder that no_such_module lies in"),
        ({"type": "shop_exits.Keeper"}, "importing shop_exits raised SystemExit: 3"),
        ({"type": "shop_alerts.Exiting", "password": "s3cret"}, "Exiting can't be made: SystemExit: no [masked]"),
        ({"type": "shop_alerts.Awaited"}, "notify must be a plain function"),
        ({"type": "shop_alerts.Taken"}, "every sink has a setting 'level'"),
        ({"type": "shop_alerts.Policed"}, "policy must be a mapping of alive_days, cap_per_hour"),
        ({"type": "shop_alerts.Odd"}, "policy must be a mapping"),
        ({"type": "shop_alerts.Strange"}, "policy must be a mapping"),
        ({"type": "shop_alerts.Unset"}, "settings must hold objects of"),
        ({"type": "keeper"}, "unknown type 'keeper'; known: "),
    ],
)
def test_what_is_wrong_is_told_by_name(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**options)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, Accepted()),
        (True, Accepted()),
        (Accepted("said"), Accepted("said")),
        (Refused("too long"), Refused("too long")),
        (Unavailable("a\nb", retry_after_s=7), Unavailable("a\\nb", retry_after_s=7)),
        (Unavailable("x", retry_after_s="soon"), Unavailable("x")),  # type: ignore[arg-type]
        (Unavailable("x", retry_after_s=float("nan")), Unavailable("x")),
        (Refused("of hunter2"), Refused("of [masked]")),
        (False, Unavailable("it returned a bool", "return None, or Accepted, Unavailable or Refused")),
    ],
)
def test_what_it_returns_is_read_strictly(answer: Any, outcome: Any) -> None:
    sink = build(type="shop_alerts.Answering")
    sink._made.answer = answer
    assert sink.notify(NOTICE) == outcome


def test_what_it_raises_means_not_now_and_leaks_no_secret() -> None:
    sink = build(type="shop_alerts.Answering")
    sink._made.answer = OSError("no route for hunter2\nreally")
    outcome = sink.notify(NOTICE)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.startswith("OSError: no route for [masked]")
    assert "shop_alerts.py:" in outcome.remedy


@pytest.mark.parametrize(
    ("raised", "reason"), [(SystemExit("all of it"), "SystemExit: all of it"), (Unsayable(), "Unsayable")]
)
def test_what_is_no_exception_or_has_no_text_means_not_now_as_well(raised: BaseException, reason: str) -> None:
    sink = build(type="shop_alerts.Answering")
    sink._made.answer = raised
    outcome = sink.notify(NOTICE)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == reason


@pytest.mark.complaints
def test_a_secret_setting_is_kept_out_of_all_that_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where nothing about the value itself looks like a secret; and its close ends nobody else."""
    sink = build(type="shop_alerts.Secretive", password="plain-word")
    assert sink.notify(NOTICE).reason == "ValueError: [masked] won't do"
    sink.close()
    assert sink.identity == "shop_alerts.Secretive:a\\nb"
    assert "plain-word" not in capsys.readouterr().err


def test_the_line_told_is_of_the_own_module_not_of_a_library_that_it_calls() -> None:
    outcome = build(type="shop_alerts.Keeper", path="/no/such/folder/x").notify(NOTICE)
    assert "shop_alerts.py:" in outcome.remedy
    assert "shop_alerts.py:" in build(type="shop_alerts.Parsing").notify(NOTICE).remedy


def test_the_names_of_a_policy_are_those_of_routing() -> None:
    """They are told apart here, where the sink can be named; routing would stop with all sinks."""
    assert set(Policy.__dataclass_fields__) == own._POLICY_NUMBERS | own._POLICY_OF_MORE


def test_identity_is_stable_tells_settings_apart_and_holds_no_secret() -> None:
    """It is what the cursor is kept under: the same settings must find it again, another token as well."""
    one = build(type="shop_alerts.Keeper", path="/a", api_token="x").identity
    assert one == build(type="shop_alerts.Keeper", path="/a", api_token="y").identity
    assert one != build(type="shop_alerts.Keeper", path="/b").identity
    assert one.startswith("shop_alerts.Keeper:")
    assert build(type="shop_alerts.WithContext").identity == "shop_alerts.WithContext:at:shop"


def test_an_entry_point_gives_the_type_a_name_and_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed packages offer sinks in the group `tocsin.sinks`."""
    point = EntryPoint("keeper", "shop_alerts:Keeper", own.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point] if group == own.GROUP else [])
    assert build(type="keeper", path="/a").identity.startswith("keeper:")
    built, faults = registry.build([SinkTable({}, url="keeper:?path=/a&times=2")], CONTEXT)
    assert faults == []
    assert built[0].sink._made.times == 2  # type: ignore[attr-defined]


def test_a_count_is_an_entry_like_any_other(tmp_path: Path) -> None:
    sink = build(type="shop_alerts.Lines", path=str(tmp_path / "lines"))
    assert sink.deliver([entry_of(HOSTILE[0].make(), counted=7)]) == Accepted()
    assert b'"occurrences":7' in (tmp_path / "lines").read_bytes()
