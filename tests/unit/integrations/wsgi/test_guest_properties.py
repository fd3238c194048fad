"""Applications drawn by hypothesis, each with tocsin and without: the same bytes, steps and exceptions."""

from __future__ import annotations

from dataclasses import replace
from wsgiref.validate import validator

import pytest
from hypothesis import assume, example, given, seed, settings
from hypothesis import strategies as st

import seeds
from guest_corpus import CHOICES, Plan, application
from recording_intake import RecordingIntake
from reference_server import Exchange, serve
from tocsin.integrations.wsgi import wsgi

SEED = seeds.dice().getrandbits(32)
PLANS = st.builds(Plan, **{name: st.sampled_from(choices) for name, choices in CHOICES.items()})
# Most plans above break more than one rule at once and end early; these differ from the common in two or three things.
NEAR = st.builds(
    lambda changes: replace(Plan(), **dict(changes)),
    st.lists(
        st.sampled_from([(name, choice) for name, choices in CHOICES.items() for choice in choices]),
        min_size=1,
        max_size=4,
    ),
)


def run(plan: Plan, method: str, chunks: int, *, is_guarded: bool, is_validated: bool = False) -> Exchange:
    exchange = Exchange()
    app = application(plan, exchange.note)
    if is_validated:
        app = validator(app)
    if is_guarded:
        app = wsgi(app, RecordingIntake())
        if is_validated:
            app = validator(app)
    return serve(app, exchange, method, chunks=chunks)


def has_page(bare: Exchange) -> bool:
    """Tell by the bare run whether tocsin answers: an error of the application's before anything left.

    But for a second start without exc_info: the server has been told the first by then, as it wants to be.
    """
    is_refused = any(step.startswith("start raised") for step in bare.steps)
    return isinstance(bare.fault, Exception) and not bare.is_sent and not is_refused


def unmarked(exchange: Exchange) -> list[tuple[str, str]]:
    return [header for header in exchange.headers if header[0] != "X-Error-Id" or header[1] == "mine"]


@seed(SEED)
@settings(max_examples=400, deadline=None)
@given(plan=st.one_of(NEAR, PLANS), method=st.sampled_from(["GET", "HEAD"]), chunks=st.sampled_from([1_000_000, 1, 2]))
@example(plan=Plan("sized", start="first"), method="GET", chunks=1_000_000)
@example(plan=Plan("lazy_list", start="first"), method="GET", chunks=1_000_000)
@example(plan=Plan("sized", fault="middle"), method="GET", chunks=1_000_000)
@example(plan=Plan("generator", headers="mutated"), method="GET", chunks=1_000_000)
@example(plan=Plan("list", headers="emptied"), method="GET", chunks=1_000_000)
@example(plan=Plan("generator", chunks=(None, b"x")), method="GET", chunks=1_000_000)
@example(plan=Plan("rude_generator"), method="GET", chunks=1)
@example(plan=Plan("rude_generator", fault="close"), method="GET", chunks=1)
def test_an_application_behaves_with_tocsin_as_without(plan: Plan, method: str, chunks: int) -> None:
    """Status, headers, bytes, the order of all steps and the exception are the same, but where our page answers."""
    assume(plan.body != "file" or plan.start not in ("first", "late", "never"))  # a file can't start an answer itself
    assume((plan.fault, plan.error) != ("iter", "StopIteration"))  # RuntimeError, as out of any generator (PEP 479)
    bare = run(plan, method, chunks, is_guarded=False)
    with_tocsin = run(plan, method, chunks, is_guarded=True)
    if has_page(bare):
        if not isinstance(bare.raised, Exception):  # its closing asks to exit: that goes before any page
            assert type(with_tocsin.raised) is type(bare.raised)
            return
        assert with_tocsin.status == "500 Internal Server Error"
        assert with_tocsin.raised is None or "fail close" in with_tocsin.steps
        assert with_tocsin.steps.count("close") == bare.steps.count("close")
        return
    assert type(with_tocsin.raised) is type(bare.raised)
    assert str(with_tocsin.raised) == str(bare.raised)
    assert (with_tocsin.status, with_tocsin.body) == (bare.status, bare.body)
    assert unmarked(with_tocsin) == bare.headers
    assert with_tocsin.steps == bare.steps


@seed(SEED)
@settings(max_examples=300, deadline=None)
@given(plan=NEAR, method=st.sampled_from(["GET", "HEAD"]))
@pytest.mark.filterwarnings("ignore::wsgiref.validate.WSGIWarning")
def test_a_valid_application_stays_valid_on_both_sides(plan: Plan, method: str) -> None:
    """The standard library's validator finds nothing between the server and tocsin, nor between tocsin and the app."""
    assume(not plan.fault and plan.body != "nothing")
    bare = run(plan, method, 1_000_000, is_guarded=False, is_validated=True)
    assume(bare.raised is None)
    both = run(plan, method, 1_000_000, is_guarded=True, is_validated=True)
    assert both.raised is None
    assert (both.status, both.body, both.steps) == (bare.status, bare.body, bare.steps)
