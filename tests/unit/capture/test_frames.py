"""Frames: where source comes from, what is masked, whose frames are the application's."""

from __future__ import annotations

import importlib.abc
import json
import linecache
import os
import sys
import zipfile
from pathlib import Path
from types import TracebackType

import pytest

from tocsin.capture.frames import FrameCache, in_app_rule
from tocsin.capture.source import SourceCache
from tocsin.event import limits
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame
from tocsin.event.wire import frame_fragment


def _cache() -> FrameCache:
    return FrameCache(Scrubber())


def _failed(source: str, file: str, **names: object) -> TracebackType:
    space = {"__name__": "shop.orders", **names}
    try:
        exec(compile(source, file, "exec"), space)
    except Exception as exc:
        entry = exc.__traceback__
        assert entry is not None
        while entry.tb_next:
            entry = entry.tb_next
        return entry
    raise AssertionError("nothing was raised")


def _get(cache: FrameCache, entry: TracebackType) -> Frame:
    return cache.get(entry)


def test_frame_has_place_source_context_and_columns(tmp_path: Path) -> None:
    """Module, qualified name, line with three around it, and where in the line."""
    source = "a = 1\nb = 2\nc = 3\nd = 4\ndef f():\n    é = 1; return é + 1 / 0\n# after\n\nf()\n"
    file = tmp_path / "orders.py"
    file.write_text(source, encoding="utf-8")
    frame = _get(_cache(), _failed(source, str(file)))
    assert (frame.module, frame.function, frame.line) == ("shop.orders", "f", 6)
    assert frame.source == "    é = 1; return é + 1 / 0"
    assert frame.before == ("c = 3", "d = 4", "def f():")
    assert frame.after == ("# after", "", "f()")
    assert frame.source[frame.column : frame.end_column] == "1 / 0"
    assert frame.in_app


def test_source_is_masked_and_rendered_once(tmp_path: Path) -> None:
    """The cached frame carries its wire form, without secrets, and is the same object next time."""
    source = 'password = "hunter2"; 1 / 0\n'
    file = tmp_path / "secret.py"
    file.write_text(source)
    cache = _cache()
    entry = _failed(source, str(file))
    frame = _get(cache, entry)
    assert frame.source == 'password = "[masked: password]"; 1 / 0'
    assert frame.fragment == frame_fragment(frame)
    assert "hunter2" not in json.dumps(json.loads(frame.fragment or ""))
    assert _get(cache, entry) is frame


@pytest.mark.parametrize("content", [b"\0\1\2", b"\xff\xfe" * 10, b"# coding: nonsense\n1/0\n", b""])
def test_odd_files_raise_nothing(tmp_path: Path, content: bytes) -> None:
    """Binary, undecodable and empty files leave a frame without source or with replacements."""
    file = tmp_path / "odd.py"
    file.write_bytes(content)
    assert _get(_cache(), _failed("1/0", str(file))).line == 1


def test_missing_huge_and_special_files_have_no_source(tmp_path: Path) -> None:
    """A pipe would block, a huge file would cost: neither is read."""
    pipe, huge = tmp_path / "pipe.py", tmp_path / "huge.py"
    os.mkfifo(pipe)
    with huge.open("wb") as stream:
        stream.truncate(limits.SOURCE_FILE_BYTES + 1)
    for file in (pipe, huge, tmp_path / "missing.py", tmp_path, Path("nul\0name.py")):
        assert SourceCache().lines(str(file)) == ()


def test_source_of_zip_archives_and_registered_texts_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard importer and linecache are asked for what is no file."""
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("zipped_shop.py", "def f():\n    return 1 / 0\n")
    monkeypatch.syspath_prepend(str(archive))
    import zipped_shop  # type: ignore[import-not-found]

    code = zipped_shop.f.__code__
    loader = zipped_shop.__loader__
    assert SourceCache().lines(code.co_filename, "zipped_shop", loader)[1] == "    return 1 / 0"
    monkeypatch.setitem(linecache.cache, "<shell-1>", (4, None, ["1/0\n"], "<shell-1>"))
    assert _get(_cache(), _failed("1/0", "<shell-1>")).source == "1/0"


def test_foreign_loaders_are_never_asked() -> None:
    """A loader of somebody else's may do anything."""

    class Loader(importlib.abc.InspectLoader):
        def get_source(self, fullname: str) -> str:
            raise RuntimeError("foreign code ran")

    assert _get(_cache(), _failed("1/0", "<template>", __loader__=Loader())).source == ""


def test_module_that_is_no_string_is_unknown() -> None:
    """Globals may hold anything under any name."""
    assert _get(_cache(), _failed("1/0", "x.py", __name__=object())).module == "?"


def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest places leave."""
    monkeypatch.setattr(limits, "CACHED_FRAMES", 8)
    monkeypatch.setattr(limits, "CACHED_SOURCE_FILES", 4)
    cache = _cache()
    for number in range(40):
        _get(cache, _failed("1/0", f"<made {number}>"))
    assert len(cache) <= 8


def test_application_is_what_is_neither_installed_nor_standard() -> None:
    """Places decide, unless the setting names the module."""
    is_in_app = in_app_rule(["plugin"])
    assert is_in_app("shop", "/srv/shop/orders.py")
    assert not is_in_app("flask.app", "/srv/.venv/lib/python3.11/site-packages/flask/app.py")
    assert not is_in_app("json", json.__file__)
    assert not is_in_app("x", "/usr/lib/python3/dist-packages/x.py")
    assert not is_in_app("importlib", "<frozen importlib>")
    assert not is_in_app("tocsin.reporter", sys.modules["tocsin.event"].__file__ or "")
    assert is_in_app("plugin.sub", "/srv/.venv/lib/python3.11/site-packages/plugin/sub.py")
    assert not is_in_app("plugins", "/srv/.venv/lib/python3.11/site-packages/plugins.py")
