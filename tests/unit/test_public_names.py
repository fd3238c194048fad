"""What `import tocsin` gives: every public name, loaded when it is first asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import tocsin


def run(code: str) -> str:
    """Run code in a fresh interpreter; return what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", tocsin.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(tocsin, name) is not None
    assert name in dir(tocsin)


def test_the_import_loads_nothing_that_is_not_asked_for() -> None:
    """Commands, a mode that is off, a test that imports the application: whoever uses no name pays for none."""
    assert run("import sys, tocsin; print([name for name in sys.modules if name.startswith('tocsin')])") == (
        "['tocsin']\n"
    )
    assert run("import sys, tocsin; tocsin.ConfigError; print('tocsin.reporter' in sys.modules)") == "False\n"


def test_a_star_import_gives_all_names() -> None:
    assert run("from tocsin import *; print(setup.__name__, LogHandler.__name__, ConfigError.__name__)") == (
        "setup LogHandler ConfigError\n"
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tocsin' has no attribute 'setpu'"):
        tocsin.setpu  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        importlib.import_module("tocsin.setpu")


def test_threads_that_ask_at_once_get_the_same() -> None:
    code = """
import threading, tocsin
found = []
threads = [threading.Thread(target=lambda: found.append(tocsin.Reporter)) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(found), len(set(found)))
"""
    assert run(code) == "8 1\n"


@pytest.mark.parametrize("name", ["handlers", "sinks", "testing"])
def test_floors_are_reached_by_attribute(name: str) -> None:
    """As code does that has `import tocsin` alone: `tocsin.handlers.SMTPHandler`."""
    assert run(f"import tocsin; print(tocsin.{name}.__name__)") == f"tocsin.{name}\n"
