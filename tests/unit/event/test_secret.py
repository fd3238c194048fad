"""`Secret`: nothing shows its value but `reveal`, wherever it gets to."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import tocsin
from tocsin.capture.plain import plain
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.typename import describe_value

SECRET = tocsin.Secret("hunter2")
SHOWN = "[masked: secret]"


def test_every_text_of_it_is_the_mask() -> None:
    """Also within containers, with widths, and as what formats it as something else."""
    assert [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET!r}", f"{SECRET:s}", "%s" % SECRET] == [SHOWN] * 6  # noqa: UP031
    assert f"{SECRET:>20}" == f"    {SHOWN}"
    assert f"{tocsin.Secret(7):05.1f}" == SHOWN
    assert repr([SECRET, {"a": SECRET}]) == f"[{SHOWN}, {{'a': {SHOWN}}}]"
    assert not hasattr(SECRET, "__dict__")


def test_it_reveals_compares_and_hashes_what_it_holds() -> None:
    """To another secret, never to the value itself."""
    assert SECRET.reveal() == "hunter2"
    assert SECRET == tocsin.Secret("hunter2") != tocsin.Secret("hunter3")
    assert SECRET != "hunter2"
    assert tocsin.Secret(b"x") == tocsin.Secret(b"x") != tocsin.Secret("x")
    assert tocsin.Secret("\udc80é") == tocsin.Secret("\udc80é")
    assert len({SECRET, tocsin.Secret("hunter2"), tocsin.Secret("x")}) == 2
    assert hash(tocsin.Secret(4711)) != hash(4711)
    assert bool(SECRET)
    assert not tocsin.Secret("")


def test_it_is_copied_as_itself_and_never_pickled_or_written_as_json() -> None:
    """A pickle would hold it in the clear."""
    assert copy.copy(SECRET) is copy.deepcopy([SECRET])[0] is SECRET
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="can't be pickled"):
            pickle.dumps(SECRET, protocol)
    with pytest.raises(TypeError):
        json.dumps(SECRET)
    with pytest.raises(TypeError, match="can't be pickled"):
        SECRET.__getstate__()  # what encoders ask that look into any object


def test_reports_say_that_there_was_one() -> None:
    """In fields, arguments of log calls, messages of exceptions; it is asked for nothing."""
    assert Scrubber().value("x", [SECRET]) == [SHOWN]
    assert Scrubber().fields({"user": SECRET}) == {"user": SHOWN}
    assert str(plain(SECRET)) == SHOWN
    assert repr(plain({"a": SECRET})) == f"{{'a': {SHOWN}}}"
    assert describe_value(SECRET) == SHOWN


def test_secrets_of_others_are_known_by_their_types_name() -> None:
    """None of their code runs."""
    pydantic = pytest.importorskip("pydantic")
    starlette = pytest.importorskip("starlette.datastructures")
    for value in (pydantic.SecretStr("hunter2"), pydantic.SecretBytes(b"hunter2"), starlette.Secret("hunter2")):
        assert Scrubber().value("x", value) == SHOWN
