"""The registry: tables and URLs become sinks, lazily, with every fault at once and no secret in any."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tocsin.config.load import load
from tocsin.config.setting import Setting, port, text
from tocsin.event.errors import ConfigError
from tocsin.sinks import registry
from tocsin.sinks.base import Sink, SinkContext
from tocsin.sinks.file import FileSink

CONTEXT = SinkContext("shop", "production", "web1")


class SecretSink:
    """Keep a password for the test to look at."""

    type: ClassVar[str] = "vault"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("host", text, "", "where", is_required=True),
        Setting("port", port, 25, "at which port"),
        Setting("password", text, "", "to get in", is_required=True, is_secret=True),
    )
    idempotency: ClassVar[str] = "never."
    is_local: ClassVar[bool] = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    @classmethod
    def from_options(cls, options: Mapping[str, Any], context: SinkContext) -> SecretSink:
        if options["host"] == "impossible":
            raise ConfigError("host can't be that")
        return cls(options)

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        return {"host": url.partition(":")[2]}

    @property
    def identity(self) -> str:
        return f"vault:{self.options['host']}"

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.TYPES, "vault", "vault_of_the_test:SecretSink")
    monkeypatch.setitem(sys.modules, "vault_of_the_test", sys.modules[__name__])


def build(*sinks: Any, cwd: Path = Path("/nowhere")) -> tuple[tuple[registry.BuiltSink, ...], list[str]]:
    settings = load({"application": "shop", "sinks": list(sinks)}, {}, {}, cwd=str(cwd))
    return registry.build(settings.sinks, CONTEXT)


def test_importing_the_registry_imports_no_sink():
    """smtplib and ssl cost memory in every worker that never delivers."""
    code = (
        "import sys, tocsin.sinks.registry as r;"
        "bad = {'smtplib', 'ssl', 'tocsin.sinks.file', 'tocsin.sinks.stderr'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_table_becomes_a_sink_with_what_routes_to_it(tmp_path: Path):
    """The common keys are taken out, the rest is the sink's own."""
    (built,), faults = build(
        {"type": "file", "path": "x.jsonl", "level": "ERROR", "kinds": ["traceback"], "from": "oldest"}, cwd=tmp_path
    )
    assert faults == []
    assert isinstance(built.sink, FileSink)
    assert isinstance(built.sink, Sink)
    assert built.identity == f"file:{tmp_path / 'x.jsonl'}"
    assert (built.levelno, built.kinds, built.start) == (logging.ERROR, {"traceback"}, "oldest")


def test_defaults_let_everything_through_from_now_on():
    """A sink that says nothing hears all."""
    (built,), _ = build("stderr:")
    assert (built.levelno, len(built.kinds), built.start) == (logging.NOTSET, 3, "now")


def test_a_url_is_a_table_whose_relative_path_starts_where_it_was_written(tmp_path: Path):
    """Its parameters may be the common keys too."""
    (built,), faults = build("file:x.jsonl?level=ERROR&kinds=error,warning&max_mb=1", cwd=tmp_path)
    assert faults == []
    assert built.identity == f"file:{tmp_path / 'x.jsonl'}"
    assert (built.levelno, built.kinds) == (logging.ERROR, {"error", "warning"})


def test_all_faults_of_all_sinks_are_told_and_the_good_ones_built():
    """Each begins with where it stands."""
    built, faults = build(
        {"type": "file", "paht": "x", "max_mb": 0},
        {"path": "x"},
        {"type": "fiel", "path": "x"},
        {"type": ["file"]},
        "smpt://mail.example.org",
        "nonsense",
        "file://elsewhere/x",
        "stderr:?format",
        {"type": "vault", "host": "impossible", "password": "x"},
        "stderr:",
    )
    assert [each.identity for each in built] == ["stderr:"]
    where = "configuration: sinks"
    assert f"{where}[0] (file): unknown setting 'paht'; did you mean 'path'?" in faults
    assert f"{where}[0] (file): max_mb must be a number of megabytes above 0 (it is 0)" in faults
    assert any(fault.startswith(f"{where}[0] (file): path is required") for fault in faults)
    assert any(fault.startswith(f"{where}[1]: type is required") for fault in faults)
    assert f"{where}[2]: unknown type 'fiel'; did you mean 'file'?" in faults
    assert any(fault.startswith(f"{where}[3]: unknown type") for fault in faults)
    assert any(fault.startswith(f"{where}[4]: must be a URL") and "did you mean smtp:?" in fault for fault in faults)
    assert any(fault.startswith(f"{where}[5]: must be a URL") for fault in faults)
    assert any(fault.startswith(f"{where}[6]: a file URL has no host") for fault in faults)
    assert any(fault.startswith(f"{where}[7]: every parameter") for fault in faults)
    assert f"{where}[8] (vault): host can't be that" in faults
    assert len(faults) == 11


def test_faults_of_settings_and_of_sinks_are_told_together():
    """And those of sinks in production only: elsewhere a missing password file is no matter."""
    raw = {"application": "shop", "levl": 1, "sinks": [{"type": "file", "paht": "x"}]}
    with pytest.raises(ConfigError) as caught:
        load(raw, {}, {}, check_sinks=registry.faults_of)
    assert len(caught.value.faults) == 3
    del raw["levl"]
    assert load(raw, {"mode": "off"}, {}, check_sinks=registry.faults_of).mode == "off"


def test_two_sinks_of_one_destination_are_a_fault(tmp_path: Path):
    """They would share a cursor."""
    built, (fault,) = build({"type": "file", "path": "x"}, "file:./x", cwd=tmp_path)
    assert len(built) == 1
    assert "sinks[1]: goes to the same place as configuration: sinks[0]" in fault


def test_a_secret_may_come_from_a_file(tmp_path: Path):
    """Its end of line is no part of it, blanks are; a relative path starts at the configuration."""
    (tmp_path / "pw").write_bytes(b" hunter2 \r\n")
    (built,), faults = build({"type": "vault", "host": "h", "password_file": "pw"}, cwd=tmp_path)
    assert faults == []
    assert built.sink.options == {"host": "h", "port": 25, "password": " hunter2 "}  # type: ignore[attr-defined]


def test_faults_of_secret_files_name_the_file_and_no_secret(tmp_path: Path):
    """Unreadable, not text, given twice; and a missing file is not told as a missing password too."""
    (tmp_path / "latin").write_bytes(b"\xff")
    base = {"type": "vault", "host": "h"}
    _, faults = build(
        {**base, "password_file": "gone"},
        {**base, "password_file": "latin"},
        {**base, "password_file": 5},
        {**base, "password_file": "latin", "password": "hunter2"},
        {**base, "password": 5, "port": "hunter"},
        cwd=tmp_path,
    )
    assert f"password_file can't be read: No such file or directory ({tmp_path / 'gone'})" in faults[0]
    assert "password_file is not UTF-8 text" in faults[1]
    assert "password_file must be a path" in faults[2]
    assert "password and password_file are both given" in faults[3]
    assert any("password must be a text that is not empty" in fault and "it is" not in fault for fault in faults)
    assert "hunter2" not in "".join(faults)
    assert len(faults) == 6


def test_a_type_that_lacks_a_package_says_so(monkeypatch: pytest.MonkeyPatch):
    """An extra that is not installed is a fault of configuration, not a traceback."""
    monkeypatch.setitem(registry.TYPES, "chat", "no_such_module_of_any_extra:Chat")
    _, (fault,) = build({"type": "chat"})
    assert "type 'chat' can't be used here: No module named" in fault


def test_every_registered_type_loads_and_keeps_to_the_protocol():
    """Its table doesn't shadow the common keys, and every scheme leads to a type."""
    for kind in registry.TYPES:
        cls = registry.load_type(kind)
        assert cls.type == kind
        assert {setting.name for setting in cls.settings}.isdisjoint({"type", "level", "kinds", "from"})
        assert cls.__doc__
    assert set(registry.SCHEMES.values()) <= set(registry.TYPES)


def test_a_missing_package_is_told_along_with_the_tables_own_faults(monkeypatch: pytest.MonkeyPatch):
    """Whoever mends one fault and meets the next has been told half of them."""
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    _, faults = build({"type": "chat", "urls": ["slack://a"], "quiet_hours": "22-7"}, {"type": "trac"})
    assert [fault.partition("): ")[2].partition(" (it is")[0] for fault in faults] == [
        "type 'chat' needs apprise: pip install 'apprise>=1.9'",
        "quiet_hours must be hours such as 22:00-07:00, or off",
        "type 'trac' needs urllib3: pip install 'urllib3>=2.2'",
        "url is required: the project, such as https://trac.example.org/shop",
    ]
