"""What faulthandler writes, as text of each version of it."""

from __future__ import annotations

import pytest

from tocsin.delivery.crash_dump import read_dumps

CLASSIC = """Fatal Python error: Segmentation fault

Thread 0x00007f039518e6c0 (most recent call first):
  File "/srv/shop/jobs.py", line 3 in <lambda>
  File "/usr/lib/python3.11/threading.py", line 982 in run

Current thread 0x00007f0395c23b80 (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/srv/shop/views.py", line ??? in resize

Extension modules: PIL._imaging, lxml.etree (total: 2)
"""
NAMED = """Fatal Python error: Aborted

Current thread 0x00007f0395c23b80 [gunicorn] (most recent call first):
  File "/srv/shop/views.py", line 7 in resize

Current thread's C stack trace (most recent call first):
  Binary file "/usr/bin/python3", at _Py_DumpStack+0x48 [0x5f6e1f]
  <truncated rest of calls>

Extension modules: PIL._imaging (total: 1)
"""
WINDOWS = """Windows fatal exception: access violation

Thread 0x00001a2c (most recent call first):
  <no Python frame>

Current thread 0x00001b30 (most recent call first):
  File "C:\\\\shop\\\\views.py", line 7 in resize
"""


def test_stacks_are_told_by_thread_the_crashed_one_as_such() -> None:
    """Innermost first, as they are written."""
    [dump] = read_dumps(CLASSIC)
    assert (dump.type, dump.words, dump.extension_modules) == (
        "SegmentationFault",
        "Segmentation fault",
        "PIL._imaging, lxml.etree",
    )
    other, current = dump.stacks
    assert dump.current is current
    assert (other.is_current, other.thread) == (False, 0x7F039518E6C0)
    assert current.frames == [
        ("/usr/lib/python3.11/ctypes/__init__.py", 519, "string_at"),
        ("/srv/shop/views.py", 0, "resize"),
    ]


def test_names_of_threads_and_stacks_of_c_are_no_riddle() -> None:
    """As of Python 3.14."""
    [dump] = read_dumps(NAMED)
    assert dump.type == "Aborted"
    assert [(stack.name, stack.frames) for stack in dump.stacks] == [
        ("gunicorn", [("/srv/shop/views.py", 7, "resize")])
    ]
    assert dump.extension_modules == "PIL._imaging"


def test_windows_has_words_of_its_own() -> None:
    """And threads without a frame."""
    [dump] = read_dumps(WINDOWS)
    assert dump.type == "AccessViolation"
    assert dump.current is not None
    assert dump.current.frames[0][1:] == (7, "resize")


def test_several_crashes_of_one_process_are_told_apart() -> None:
    """Of which it survived all but the last."""
    assert [dump.type for dump in read_dumps(NAMED + CLASSIC)] == ["Aborted", "SegmentationFault"]


@pytest.mark.parametrize("text", ["", "\0\0\0", "nothing of the sort\n", '  File "a", line 1 in b\n'])
def test_what_is_no_crash_is_none(text: str) -> None:
    """Garbage, too."""
    assert read_dumps(text) == []


@pytest.mark.parametrize("size", range(0, len(CLASSIC), 17))
def test_one_that_was_cut_off_is_told_as_far_as_it_goes(size: int) -> None:
    """A full disk, or a process that died of writing it."""
    assert len(read_dumps(CLASSIC[:size])) <= 1


def test_other_fatal_errors_keep_their_words() -> None:
    """The interpreter has many."""
    [dump] = read_dumps("Fatal Python error: _Py_CheckRecursiveCall: Cannot recover from stack overflow.\n")
    assert dump.type == "FatalError"
    assert "Cannot recover" in dump.words
