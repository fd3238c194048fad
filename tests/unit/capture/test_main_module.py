"""A script, and an import of it, are one module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.capture.main_module import imported_name

_SAID = "from tocsin.capture.main_module import imported_name\nprint(imported_name('__main__.Bad', globals()))\n"


@pytest.mark.parametrize("arguments", [["shop/report.py"], ["-m", "shop.report"], ["-m", "shop"]])
def test_name_is_that_of_an_import(tmp_path: Path, arguments: list[str]) -> None:
    """By file, by name, and a package by its `__main__`."""
    (tmp_path / "shop").mkdir()
    for name, text in (("__init__", ""), ("report", _SAID), ("__main__", _SAID)):
        (tmp_path / "shop" / f"{name}.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("shop.Bad" if arguments[-1] == "shop" else "shop.report.Bad")


@pytest.mark.parametrize("space", [{}, {"__file__": 5}, {"__spec__": 7}, {"__spec__": object(), "__file__": "/a/b.py"}])
def test_module_that_does_not_say_keeps_its_name(space: dict[str, object]) -> None:
    """An interactive one, or one that somebody wrote into."""
    assert imported_name("__main__.Bad", space) == "__main__.Bad"


def test_other_names_stay() -> None:
    """Whatever they begin with."""
    assert imported_name("__mainly__.Bad") == "__mainly__.Bad"
    assert imported_name("shop") == "shop"
