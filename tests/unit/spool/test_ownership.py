"""A spool belongs to the application whose processes live in it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tocsin.event.errors import StoreError
from tocsin.spool.folder import Folder
from tocsin.spool.ownership import require_own_application
from tocsin.spool.writer import Occurrence, Writer


def test_another_living_application_s_spool_is_refused_and_a_dead_one_s_taken(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "spool")
    ready, never = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        writer = Writer(folder, about={"application": "shop"})
        writer.append(Occurrence("error", 40, 1, "v1:" + "0f" * 16, 1.0, b"{}"))
        os.write(ready[1], b"x")
        os.read(never[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    require_own_application(folder, "shop")
    with pytest.raises(StoreError, match="in use by the application 'shop'; set `spool` of 'blog'"):
        require_own_application(folder, "blog")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    require_own_application(folder, "blog")
