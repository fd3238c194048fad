"""The bench of masking: a slice of it leaks nothing that is masked by default, and its search finds what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "secrets"
EVERY = 90


def in_bench(code: str, folder: Path) -> Any:
    """Run code that imports the bench's own modules, in a process of its own; return what it prints as JSON."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environ["PYTHONPATH"] = os.pathsep.join([str(BENCH), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One slice with masking, and the same without."""
    folder = tmp_path_factory.mktemp("secrets")
    return {
        mode: in_bench(f"import child; child.main(['tocsin', '{mode}', '{EVERY}', '1', 'tocsin'])", folder)
        for mode in ("on", "off")
    }


@pytest.fixture(scope="module")
def told(found: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the report makes of it."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
    code = f"""
import json, report
found = json.load(open("found.json"))
ours = report.Contestant("tocsin", found["on"], found["off"], {EVERY}, "tocsin")
blind = report.Contestant("tocsin", found["off"], found["off"], {EVERY}, "tocsin")
print(json.dumps({{
    "leaks": report.leaks(ours), "blind": len(report.leaks(blind)),
    "planted": sum(secret.sort in report._ON for _, secret, _ in ours.secrets()), "tables": report.tables(ours, [], ""),
}}))"""
    told: dict[str, Any] = in_bench(code, folder)
    return told


def test_no_secret_of_a_sort_that_is_masked_by_default_leaves(told: dict[str, Any]) -> None:
    """In every place of a slice of the acts; `bench/secrets/run.py` takes all of them."""
    assert told["leaks"] == []


def test_without_masking_all_of_them_are_found(found: dict[str, Any], told: dict[str, Any]) -> None:
    """Else that nothing is found would say nothing."""
    assert told["blind"] == told["planted"] > 200
    assert sum(found["off"]["secrets"]) > 0.98 * len(found["off"]["secrets"])


def test_every_sink_is_searched(found: dict[str, Any]) -> None:
    """Each shows secrets where masking is off, all but the page of an error, which shows no text of it."""
    without = dict(found["off"]["outlets"])
    assert without.pop("500 page") == 0
    assert found["off"]["left_out"] == {}
    assert [name for name, count in without.items() if count == 0] == []
    assert found["off"]["only_there"] == found["on"]["only_there"] == []


def test_the_search_sees_through_every_usual_encoding(tmp_path: Path) -> None:
    """And finds nothing where nothing is."""
    code = """
import json, search, sorts
secrets = sorts.secrets()
unseen = [search.unseen_encodings(secret.parts[:1]) for secret in secrets[::11]]
print(json.dumps([sum(unseen, []), search.holds(search.readable(b"order 7 was not sent"), secrets[0].parts)]))"""
    assert in_bench(code, tmp_path) == [[], False]


def test_there_are_200_secrets_of_40_sorts_and_1000_harmless_values(tmp_path: Path) -> None:
    """Each secret is found by parts that no other one has, and the same ones are made each time."""
    code = """
import json, sorts, harmless
secrets = sorts.secrets()
assert secrets == sorts.secrets() != sorts.secrets("another seed")
is_on = {sort.name: sort.is_on for sort in sorts.SORTS}
parts = [part for secret in secrets for part in secret.parts]
print(json.dumps([sum(is_on.values()), sum(is_on[secret.sort] for secret in secrets), len(harmless.harmless()),
                  len(parts) - len(set(parts))]))"""
    assert in_bench(code, tmp_path) == [40, 200, 1000, 0]
