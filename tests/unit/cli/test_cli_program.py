"""The program: every command explains itself on one screen, and every failure is a sentence and a code."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import manual, program
from tocsin.event.errors import StoreError

LONGER = {"tail": 6}  # by how many lines a help may be longer: each way to choose has one

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"


@pytest.mark.parametrize("name", program.COMMANDS)
def test_help_fits_on_one_screen_and_explains_every_option(name: str, call: Any) -> None:
    answer = call(name, "--help")
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert len(lines) <= 24 + LONGER.get(name, 0)
    assert all(len(line) <= 80 for line in lines)
    assert "Example: tocsin" in answer.out
    assert "2 usage" in answer.out.replace("\n", " ") or "or usage" in answer.out.replace("\n", " ")
    for action in program.command(name).parser()._actions:
        assert action.help
        assert all(option in answer.out for option in action.option_strings)


@pytest.mark.parametrize("name", program.COMMANDS)
def test_options_stand_in_a_table_of_about_ten_lines(name: str) -> None:
    help_text = program.command(name).parser().format_help()
    table = help_text.split("\n\n")[2].splitlines()
    assert 2 <= len(table) <= 11 + 2 * LONGER.get(name, 0)


def test_program_without_a_command_shows_what_there_is(call: Any) -> None:
    answer = call()
    assert answer.code == 2
    assert all(f"  {name}" in answer.out for name in program.COMMANDS)
    assert call("--help").code == 0


def test_version_is_told(call: Any) -> None:
    assert call("--version").out.startswith("tocsin 0.")


def test_unknown_command_is_corrected(call: Any) -> None:
    answer = call("isues")
    assert answer.code == 2
    assert answer.err == "tocsin: there is no command 'isues'; did you mean 'issues'?\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("issues", "--since", "soon"),
        ("issues", "--bogus"),
        ("issues", "-n", "0"),
        ("tail", "--kind", "fatal"),
        ("tail", "--level", "LOUD"),
        ("mute", "7K3QDM", "--for", "0"),
        ("mute", "7K3QDM", "--for", "1d", "--off", "--spool", "."),
        ("mute",),
        ("show", "--spool", "."),
        ("show", "hello", "--spool", "."),
        ("deliver", "--spool", "."),
        ("deliver", "--timeout", "3"),
        ("deliver", "--spool", ".", "--sink", "ftp://x"),
        ("issues", "--config", "missing.toml"),
    ],
)
def test_wrong_usage_is_code_2_and_one_line(arguments: tuple[str, ...], call: Any) -> None:
    answer = call(*arguments)
    assert answer.code == 2
    assert answer.err.startswith("tocsin: ")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("name", ["issues", "tail", "status", "spool", "check", "config", "deliver"])
def test_without_a_configuration_it_says_what_to_give(name: str, call: Any, tmp_path: Path) -> None:
    answer = call(name)
    assert answer.code == 2
    assert "give --config FILE" in answer.err
    assert "tocsin.toml" not in answer.err
    (tmp_path / "tocsin.toml").write_text('application = "shop"\n')
    assert "./tocsin.toml is there: --config tocsin.toml" in call(name).err


def test_all_faults_of_a_configuration_are_told_each_on_a_line(call: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('levle = "INFO"\nkeep_days = -1\n[[sinks]]\ntype = "file"\nmax_mb = 0\n')
    answer = call("config", "--config", "bad.toml")
    assert answer.code == 2
    assert len(answer.err.splitlines()) >= 4
    assert all(line.startswith("tocsin: ") for line in answer.err.splitlines())


@pytest.mark.parametrize("name", ["issues", "tail", "spool"])
def test_missing_spool_is_told_with_its_path(name: str, call: Any, tmp_path: Path) -> None:
    answer = call(name, "--spool", "nowhere")
    assert answer.code == 1
    assert str(tmp_path / "nowhere") in answer.err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (StoreError("the state is damaged"), "tocsin: the state is damaged\n"),
        (PermissionError(13, "Permission denied", "/srv/x"), "tocsin: Permission denied: /srv/x\n"),
    ],
)
def test_failure_becomes_a_sentence(fault: Exception, said: str, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> int:
        raise fault

    monkeypatch.setattr(program, "_run", fail)
    answer = call("issues")
    assert (answer.code, answer.err) == (1, said)


def test_fault_of_our_own_is_a_sentence_too(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> int:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(program, "_run", fail)
    answer = call("issues")
    assert answer.code == 1
    assert answer.err.startswith("tocsin: this is a fault of tocsin: ZeroDivisionError")


def test_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin.cli", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")


def test_reference_page_is_current() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == manual.manual(), "run python docs/generate.py"


def test_help_is_the_same_whatever_argparse_makes_of_it() -> None:
    """Python 3.14 colours help and 3.13 formats options otherwise; the reference page must not depend on it."""
    parser = program.command("issues").parser()
    assert isinstance(parser, argparse.ArgumentParser)
    assert "  -n, --limit N   at most this many (100)" in parser.format_help().splitlines()
