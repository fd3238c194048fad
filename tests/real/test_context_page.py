"""The page on context, as it is written: its reports have what the page shows."""

from __future__ import annotations

import ast
import json
import logging
import logging.config
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask", reason="no Flask; pip install flask")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from receiver import clean_environ  # noqa: E402

from how_to import PAGES, unpack  # noqa: E402

VISIT = """
from shop import create_app
answer = create_app().test_client().post("/orders/17/pay?currency=CHF")
print(answer.status_code, answer.headers["X-Error-Id"])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run the page's application for one visit, and deliver what it reported."""
    where = unpack("context.md", tmp_path_factory.mktemp("context"))
    said = run(where, "-c", VISIT)
    assert re.fullmatch(r"500 \w{6}-\w{4}\n", said)
    run(where, "-m", "tocsin.cli", "deliver", "--drain", "--config", "tocsin.toml")
    yield where


def run(folder: Path, *arguments: str) -> str:
    environ = {**clean_environ(), "TOCSIN_CONFIG": "tocsin.toml", "PYTHONPATH": os.fspath(folder)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(map(json.loads, lines), key=lambda event: str(event["timestamp"]))


def test_reports_have_what_the_page_shows(folder: Path) -> None:
    """Of the request and of the thread that it handed work to."""
    invoice, failure = events(folder)
    assert (invoice["kind"], failure["kind"]) == ("error", "traceback")
    for event in (invoice, failure):
        assert event["request"]["user"] == "4711"
        assert event["request"]["route"] == "/orders/<int:number>/pay"
        assert event["tags"] == {"region": "eu", "tenant": "acme"}
    assert invoice["thread"].startswith("ThreadPoolExecutor")
    assert invoice["fields"] == {"order_id": 17, "step": "invoice", "attempt": 3}
    assert failure["fields"] == {"order_id": 17}
    assert [line["message"] for line in invoice["lead_up"]] == ["stock of order 17 looked up"]
    assert [(line["level"], line["message"]) for line in failure["lead_up"]] == [
        ("INFO", "stock of order 17 looked up"),
        ("ERROR", "invoice of order 17 was not sent"),
        ("INFO", "charging order 17 in CHF"),
    ]


def test_show_prints_the_lines_of_the_page(folder: Path) -> None:
    """Times, ids and headers apart."""
    _, failure = events(folder)
    shown = run(folder, "-m", "tocsin.cli", "show", failure["error_id"], "--config", "tocsin.toml")
    page = (PAGES / "context.md").read_text(encoding="utf-8")
    captured = page.partition("$ tocsin show")[2].partition("```")[0]
    lines = [
        line
        for line in captured.splitlines()
        if re.match(r"  (Tags|Fields)|Lead-up|-\d|Traceback|            route", line)
    ]
    assert len(lines) == 8
    timeless = {re.sub(r"-\d+\.\d{3} s", "-0.000 s", line) for line in shown.splitlines()}
    assert [line for line in lines if re.sub(r"-\d+\.\d{3} s", "-0.000 s", line) not in timeless] == []


def test_the_pages_logging_configuration_is_one() -> None:
    """Both handlers are found by their names, in the order that counts."""
    page = (PAGES / "context.md").read_text(encoding="utf-8")
    code = page.rpartition("LOGGING = ")[2].partition("```")[0]
    configuration = ast.literal_eval(code)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logging.config.dictConfig({**configuration, "disable_existing_loggers": False})
        assert [type(handler).__name__ for handler in root.handlers] == ["LogHandler", "LeadUpHandler"]
    finally:
        root.handlers[:] = before
        root.setLevel(level)
