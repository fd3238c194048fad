"""The configuration floor: where settings come from, which wins, and that all faults are told at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tocsin.config.load import load
from tocsin.config.settings import SETTINGS, Settings
from tocsin.event.errors import ConfigError


def read(
    config: Any = None, environ: Mapping[str, str] | None = None, cwd: Path = Path("/nowhere"), **overrides: Any
) -> Settings:
    return load(config, overrides, environ or {}, cwd=str(cwd), host_name=lambda: "web1")


def faults_of(*args: Any, **kwargs: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(*args, **kwargs)
    return caught.value.faults


def write(folder: Path, text: str, name: str = "tocsin.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_those_of_the_table_and_production():
    """An application alone is a configuration."""
    settings = read({"application": "shop"})
    assert (settings.application, settings.mode, settings.environment) == ("shop", "production", "production")
    assert (settings.level, settings.host, settings.sinks) == (logging.WARNING, "web1", ())
    assert settings.sources["mode"] == "default"
    assert settings.sources["application"] == "mapping"


def test_settings_has_a_field_for_every_row_of_the_table():
    """The table and the values can't drift apart."""
    fields = set(Settings.__dataclass_fields__) - {"sources"}
    assert fields == {setting.name for setting in SETTINGS}
    assert len(SETTINGS) == len(fields)


def test_keyword_beats_variable_beats_file(tmp_path: Path):
    """Every level of precedence is seen, with its source."""
    path = write(tmp_path, 'application = "shop"\nenvironment = "file"\nrelease = "file"\nkeep_days = 3\n')
    environ = {"TOCSIN_ENVIRONMENT": "variable", "TOCSIN_RELEASE": "variable"}
    settings = read(path, environ, release="keyword")
    assert (settings.keep_days, settings.environment, settings.release) == (3, "variable", "keyword")
    assert settings.sources["keep_days"] == str(path)
    assert settings.sources["environment"] == "TOCSIN_ENVIRONMENT"
    assert settings.sources["release"] == "keyword"


def test_every_fault_of_every_place_is_told_at_once(tmp_path: Path):
    """Nobody mends a configuration one restart at a time."""
    path = write(tmp_path, 'mode = "prod"\nkeep_days = -1\nrelaese = "1"\nerror_page = "none.html"\n')
    faults = faults_of(path, {"TOCSIN_FSYNC": "maybe", "TOCSIN_SPOL": "/x"}, level="LOUD", client_address="half")
    text = "\n".join(faults)
    assert len(faults) == 9
    assert f"{path}: mode must be one of production, debug, off (it is 'prod')" in faults
    assert "keep_days must be a whole number from 1" in text
    assert "unknown setting 'relaese'; did you mean 'release'?" in text
    assert "environment: TOCSIN_FSYNC must be true or false (it is 'maybe')" in faults
    assert "unknown setting 'TOCSIN_SPOL'; did you mean 'TOCSIN_SPOOL'?" in text
    assert "keywords: level must be a level" in text
    assert "client_address must be one of" in text
    assert f"error_page must be a file that can be read (it is '{tmp_path}/none.html')" in text
    assert f"{path}: application is required" in text


@pytest.mark.parametrize("mode", ["debug", "off"])
def test_outside_production_the_application_needs_no_name(mode: str):
    """A laptop or a test run gets by without any configuration."""
    assert read(mode=mode).application == "app"


def test_missing_application_says_what_to_do(tmp_path: Path):
    """The first fault most people see names the three ways on, and the file that was not read."""
    (fault,) = faults_of(cwd=tmp_path)
    assert all(way in fault for way in ('setup("tocsin.toml")', "TOCSIN_CONFIG", "TOCSIN_APPLICATION"))
    assert "was not read" not in fault
    write(tmp_path, 'application = "shop"\n')
    (fault,) = faults_of(cwd=tmp_path)
    assert "./tocsin.toml is there but was not read" in fault


def test_the_file_in_the_working_directory_is_read_in_debug_only(tmp_path: Path):
    """Rule 7: no laptop, test run or CI mails the operators."""
    write(tmp_path, 'application = "shop"\n')
    assert read(cwd=tmp_path, mode="debug").application == "shop"
    assert read(None, {"TOCSIN_MODE": "Debug"}, tmp_path).application == "shop"
    assert read(cwd=tmp_path, mode="off").application == "app"
    assert read(None, {"TOCSIN_MODE": "debug"}, tmp_path, mode="off").application == "app"


def test_the_variable_names_a_file_unless_one_is_given(tmp_path: Path):
    """TOCSIN_CONFIG stands in for an argument, and is passed over where there is one."""
    write(tmp_path, 'application = "shop"\n')
    environ = {"TOCSIN_CONFIG": "tocsin.toml"}
    assert read(None, environ, tmp_path).sources["application"] == "tocsin.toml"
    assert read({"application": "other"}, environ, tmp_path).application == "other"


def test_a_file_that_can_not_be_read_is_the_one_fault(tmp_path: Path):
    """A missing file is not also told as a missing application."""
    (fault,) = faults_of(None, {"TOCSIN_CONFIG": "gone.toml"}, tmp_path)
    assert "gone.toml (named by TOCSIN_CONFIG): can't be read: No such file or directory" in fault


def test_toml_syntax_errors_name_file_and_line(tmp_path: Path):
    """What an editor needs to jump there."""
    (fault,) = faults_of(write(tmp_path, 'application = "shop"\nmode = \n'))
    assert "tocsin.toml: not valid TOML" in fault
    assert "line 2" in fault


def test_a_byte_order_mark_is_no_fault_and_other_encodings_are(tmp_path: Path):
    """Windows editors write the mark; Latin-1 is told as what it is."""
    path = tmp_path / "tocsin.toml"
    path.write_bytes(b"\xef\xbb\xbf" + 'application = "café"\r\n'.encode())
    assert read(path).application == "café"
    path.write_bytes('application = "café"\n'.encode("latin-1"))
    (fault,) = faults_of(path)
    assert "not UTF-8" in fault


def test_relative_paths_start_where_they_were_written(tmp_path: Path):
    """In a file at its folder, elsewhere at the working directory."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "500.html").write_text("oops")
    path = write(
        etc,
        'application = "shop"\nspool = "../spool"\nerror_page = "500.html"\n'
        '[[sinks]]\ntype = "file"\npath = "x.jsonl"\npassword_file = "/run/pw"\n',
    )
    settings = read(path, cwd=tmp_path)
    assert settings.spool == str(tmp_path / "spool")
    assert settings.error_page == str(etc / "500.html")
    assert settings.sinks[0].options["path"] == str(etc / "x.jsonl")
    assert settings.sinks[0].options["password_file"] == "/run/pw"
    assert read(path, {"TOCSIN_SPOOL": "s"}, tmp_path).spool == str(tmp_path / "s")


def test_sinks_are_tables_or_urls_and_stay_raw(tmp_path: Path):
    """Their own keys are for the registry to judge; each knows where it was written."""
    path = write(tmp_path, 'application = "shop"\nsinks = ["stderr:", {type = "mail", to = ["a@example.org"]}]\n')
    first, second = read(path).sinks
    assert (first.url, second.options["to"]) == ("stderr:", ("a@example.org",))
    assert second.where == f"{path}: sinks[1]"


def test_variables_have_forms_for_lists_tables_and_sinks():
    """What can't be a table in an environment is a list."""
    environ = {
        "TOCSIN_APPLICATION": "shop",
        "TOCSIN_SINKS": "smtp://mail.example.org?to=ops@example.org&to=b@example.org\n file:events.jsonl stderr:",
        "TOCSIN_LOGGERS": "noisy=ERROR, audit.trail=info",
        "TOCSIN_IGNORE": "KeyError, noisy.logger",
        "TOCSIN_WARNING_STATUSES": "404,400,404",
        "TOCSIN_FSYNC": "on",
    }
    settings = read(None, environ)
    assert [sink.url.partition(":")[0] for sink in settings.sinks] == ["smtp", "file", "stderr"]
    assert settings.sinks[2].where == "TOCSIN_SINKS[2]"
    assert settings.loggers == {"noisy": logging.ERROR, "audit.trail": logging.INFO}
    assert settings.ignore == ("KeyError", "noisy.logger")
    assert (settings.warning_statuses, settings.fsync) == ((400, 404), True)


def test_an_empty_variable_and_none_are_as_good_as_absent():
    """Compose files set empty variables, and callers pass what they have not."""
    settings = read({"application": "shop", "release": None}, {"TOCSIN_MODE": "", "TOCSIN_RELEASE": " "}, host=None)
    assert (settings.mode, settings.release, settings.host) == ("production", "", "web1")


def test_variables_that_kubernetes_makes_are_no_faults():
    """A service called tocsin must not keep its own pods from starting."""
    environ = {
        "TOCSIN_SERVICE_HOST": "10.0.0.1",
        "TOCSIN_SERVICE_PORT_HTTP": "80",
        "TOCSIN_PORT": "tcp://10.0.0.1:80",
        "TOCSIN_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert read({"application": "shop"}, environ).application == "shop"


def test_unquoted_dotted_logger_names_mean_the_logger(tmp_path: Path):
    """TOML makes nested tables of them, which nobody means."""
    path = write(tmp_path, 'application = "shop"\n[loggers]\nnoisy.logger = "ERROR"\n"a.b" = 35\n')
    assert read(path).loggers == {"noisy.logger": 40, "a.b": 35}


@pytest.mark.parametrize(
    "raw",
    [
        {"sinks": "smtp://u:hunter2@mail"},
        {"sinks": ["smtp://u:hunter2@mail", 5]},
        {"sinks": [{"type": "mail", "password": "hunter2"}], "mask_keys": 5},
        {"sinks": {"password": "hunter2"}},
    ],
)
def test_no_fault_and_no_representation_shows_a_secret(raw: dict[str, Any]):
    """Configuration errors end up in logs."""
    assert "hunter2" not in "\n".join(faults_of({**raw, "levl": 1}))
    try:
        assert "hunter2" not in repr(read({**raw, "application": "shop"}))
    except ConfigError as fault:
        assert "hunter2" not in str(fault)


def test_production_refuses_the_interactive_debugger():
    """It runs code for whoever reaches it."""
    (fault,) = faults_of({"application": "shop"}, {"TOCSIN_DEBUGGER": "yes"})
    assert fault.startswith("TOCSIN_DEBUGGER: debugger")
    assert read({"debugger": True}, mode="debug").debugger is True


def test_equal_values_are_equal_wherever_they_came_from(tmp_path: Path):
    """setup() twice with the same outcome is once."""
    sinks = [{"type": "file", "path": "/x.jsonl", "kinds": ["error"]}]
    from_mapping = read({"application": "shop", "sinks": sinks, "loggers": {"a": "ERROR"}})
    from_variable = read({"sinks": sinks, "loggers": {"a": 40}}, {"TOCSIN_APPLICATION": "shop"})
    assert from_mapping == from_variable
    assert from_mapping != read({"application": "shop", "sinks": [], "loggers": {"a": "ERROR"}})
    sinks[0]["path"] = "/y.jsonl"
    assert from_mapping == from_variable
    assert from_mapping.sinks[0].options["path"] == "/x.jsonl"


@pytest.mark.parametrize("application", ["", "  ", "two\nlines", "x" * 257, 5])
def test_an_application_is_one_printable_line(application: object):
    """It stands in subjects, headers and paths."""
    (fault,) = faults_of({"application": application})
    assert "application must be" in fault


@pytest.mark.parametrize("statuses", [[200], [True], ["x"], 4000, [400.5], {"a": 1}])
def test_statuses_are_errors_of_http(statuses: object):
    """Anything else is a fault."""
    (fault,) = faults_of({"application": "shop", "warning_statuses": statuses})
    assert "warning_statuses must be a list of status codes" in fault


def test_the_process_environment_and_directory_serve_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without being told, relative paths start at the real working directory."""
    monkeypatch.chdir(tmp_path)
    assert load({"application": "shop", "spool": "s"}, {}, {}).spool == str(tmp_path / "s")
