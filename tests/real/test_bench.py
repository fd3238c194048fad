"""The bench works: its smallest form measures each of tocsin's own variants, and tells it in tables and a picture."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
QUICK = ("wsgi", "asgi", "event", "known", "faults")


def run(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    command = [sys.executable, str(BENCH / script), *arguments]
    return subprocess.run(
        command, env={**environ, "TMPDIR": str(folder)}, cwd=folder, capture_output=True, text=True, check=False
    )


def in_bench(code: str, folder: Path) -> str:
    """Run code that imports the bench's own modules, in a process of its own: their names are common ones."""
    done = run_code(f"import sys; sys.path.insert(0, {str(BENCH)!r})\n{code}", folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_code(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, env={**os.environ}
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the bench is for POSIX")
@pytest.mark.parametrize("measure", QUICK)
def test_the_smallest_form_of_a_measure_gives_figures_for_every_variant_of_tocsin(measure: str, tmp_path: Path) -> None:
    """Durations are nobody's business here."""
    kept = tmp_path / "results.json"
    arguments = ["--only", measure, "--rounds", "1", "--steps", "few", "--no-peers", "--keep", str(kept)]
    done = run("run.py", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads(kept.read_text(encoding="utf-8"))
    assert results["failed"] == {}
    left_out = {variant for variant in results["skipped"] if "Starlette" not in variant}
    assert not left_out and results["figures"][measure]
    assert "| --- |" in done.stdout


def test_a_variant_that_breaks_is_told_and_fails_the_run(tmp_path: Path) -> None:
    """A figure that is missing must not pass for one that was left out on purpose."""
    code = (
        "import run, variants\n"
        "run._TIMEOUT_S = 60\n"
        "real = variants.load\n"
        "from measure import Measure\n"
        "variants.load = lambda name: Measure(name, 1, 1, {'no such variant': None})\n"
        "print(run.main(['--only', 'wsgi', '--rounds', '1', '--keep', 'results.json']))\n"
    )
    assert in_bench(code, tmp_path).splitlines()[-1] == "1"
    failed = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["failed"]
    assert failed == {"wsgi: no such variant": "KeyError: 'no such variant'"}


def test_every_measure_can_be_loaded_and_measures_tocsin(tmp_path: Path) -> None:
    """Also those that take too long for a unit test."""
    code = (
        "import variants\n"
        "for name in variants.NAMES:\n"
        "    measure = variants.load(name)\n"
        "    assert measure.name == name and 0 < measure.few <= measure.steps and all(map(callable, "
        "measure.variants.values()))\n"
        "    print(name)\n"
    )
    assert len(in_bench(code, tmp_path).split()) == 14


def test_a_peer_that_is_not_installed_is_left_out_with_the_reason(tmp_path: Path) -> None:
    """`make check` has none of them."""
    code = (
        "import peers, sink\n"
        "from measure import Skipped\n"
        "peers.Peer.is_installed = property(lambda self: False)\n"
        "try:\n    peers.started('sentry', None)\n"
        "except Skipped as reason:\n    print(reason)\n"
    )
    assert in_bench(code, tmp_path) == "sentry-sdk isn't installed: make bench installs it in .venv-bench\n"


def test_every_peer_says_how_it_is_configured_and_does_something(tmp_path: Path) -> None:
    """The page's table of peers is made of that."""
    code = (
        "import peers\n"
        "for file in peers.NAMES:\n"
        "    peer = peers.Peer(file)\n"
        "    assert peer.name and peer.configuration and peer.sink, file\n"
        "    print(any(peer.does(what) for what in ('capture', 'wrap_wsgi', 'wrap_asgi')))\n"
    )
    assert set(in_bench(code, tmp_path).split()) == {"True"}


def test_the_traceback_has_the_depth_that_the_page_names(tmp_path: Path) -> None:
    """Else "20 frames" would be a guess."""
    code = (
        "import stack, traceback\n"
        "def then(fault):\n    print(len(traceback.extract_tb(fault.__traceback__)), fault)\n"
        "stack.raising(stack.falls(20), then)()\n"
    )
    assert in_bench(code, tmp_path) == "20 order 000000 is gone\n"


def test_the_sink_counts_different_reports_however_they_are_wrapped(tmp_path: Path) -> None:
    """What arrived of a storm is told by it."""
    code = (
        "import gzip, smtplib, urllib.request\n"
        "from sink import Sink\n"
        "with Sink() as sink:\n"
        '    plain = b\'{"message": "order 000001 is gone"}\'\n'
        "    urllib.request.urlopen(sink.url + '/a', data=plain).read()\n"
        "    packed = urllib.request.Request(sink.url + '/b', data=gzip.compress(plain + b'order 000002 is gone'))\n"
        "    packed.add_header('Content-Encoding', 'gzip')\n"
        "    urllib.request.urlopen(packed).read()\n"
        "    chunks = urllib.request.Request(sink.url + '/c', data=iter([b'order 00000', b'3 is gone']))\n"
        "    urllib.request.urlopen(chunks).read()\n"
        "    with smtplib.SMTP('127.0.0.1', sink.smtp_port) as mail:\n"
        "        mail.sendmail('a@example.org', 'b@example.org', 'order 000004 is gone')\n"
        "    print(sink.arrived())\n"
    )
    assert in_bench(code, tmp_path) == "4\n"


RESULTS = {
    "machine": {"python": "CPython 3.11.7", "system": "Linux", "cpus": "2"},
    "versions": {"sentry-sdk": "2.1"},
    "figures": {
        "wsgi": {
            "bare, list": [{"ns": 250.0}, {"ns": 260.0}, {"ns": 1000.0}],
            "tocsin, list": [{"ns": 550.0}, {"ns": 570.0}, {"ns": 1300.0}],
            "sentry-sdk, list": [{"ns": 100_250.0}, {"ns": 110_260.0}, {"ns": 121_000.0}],
        }
    },
    "skipped": {},
    "failed": {},
    "seconds": 60.0,
}


def test_what_a_variant_adds_is_the_median_of_the_differences_round_by_round(tmp_path: Path) -> None:
    """A machine that was slow for a whole round slowed the bare application too."""
    code = f"import report\nfrom results import Results\nprint(report.blocks(Results.from_json({RESULTS!r}))['wsgi'])"
    assert "| **tocsin** | 0.30 µs (0.30 to 0.31) |" in in_bench(code, tmp_path)


def test_the_page_keeps_its_words_and_gets_its_tables(tmp_path: Path) -> None:
    """Only what stands between a block's marks is written anew."""
    page = tmp_path / "page.md"
    page.write_text("Words.\n\n<!-- bench: wsgi -->\nold\n<!-- /bench -->\n\nMore.\n", encoding="utf-8")
    code = (
        "import report\nfrom pathlib import Path\nfrom results import Results\n"
        f"report.PAGE = Path({str(page)!r})\n"
        f"print(report.write(report.blocks(Results.from_json({RESULTS!r}))))"
    )
    assert in_bench(code, tmp_path) == "[]\n"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Words.\n\n<!-- bench: wsgi -->\n\n| added to")
    assert text.endswith("<!-- /bench -->\n\nMore.\n") and "old" not in text


def test_the_picture_is_xml_with_a_longer_bar_for_what_costs_more(tmp_path: Path) -> None:
    """On a logarithmic scale, but in order."""
    code = f"import plot\nfrom results import Results\nprint(plot.picture(Results.from_json({RESULTS!r})))"
    root = ElementTree.fromstring(in_bench(code, tmp_path))
    bars = {bar.get("class"): float(bar.get("width", "0")) for bar in root.iter("{http://www.w3.org/2000/svg}rect")}
    assert 0 < bars["ours"] < bars["bar"]


def test_the_page_has_a_place_for_every_block_and_no_other() -> None:
    """A table that nobody shows was measured for nothing."""
    text = (ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8")
    places = re.findall(r"<!-- bench: (\w+) -->\n.*?<!-- /bench -->", text, re.DOTALL)
    names = {path.stem for path in (BENCH / "variants").glob("*.py")} - {"__init__"}
    assert sorted(places) == sorted({*names, "targets", "peers", "machine", "floors"})
