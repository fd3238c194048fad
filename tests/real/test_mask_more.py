"""The page about masking more: its example prints what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from how_to import unpack

PAGE = "mask-more.md"


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    folder = unpack(PAGE, tmp_path)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    done = subprocess.run(
        [sys.executable, "shop.py"], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [event] = map(json.loads, (folder / "events.jsonl").read_text(encoding="utf-8").splitlines())
    page = (Path(__file__).parents[2] / "docs" / "how-to" / PAGE).read_text(encoding="utf-8")
    told = dict(re.findall(r"^\$ jq -c '?(.+?)'? events\.jsonl\n(.+)$", page, re.MULTILINE))
    assert json.loads(told[".message"]) == event["message"]
    assert json.loads(told[".fields"]) == event["fields"]
    frames = [frame.get("locals") for frame in event["exception"]["frames"]]
    assert json.loads(told["[.exception.frames[].locals]"]) == frames
    assert not re.search("hunter2|swordfish|DE89|4711|X7K2PQ|KD-1", json.dumps(event))
