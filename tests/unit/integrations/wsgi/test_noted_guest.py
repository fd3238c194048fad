"""Applications drawn by hypothesis, noted while they are asked and not: the same bytes, steps and exceptions."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

import seeds
from guest_corpus import CHOICES, Plan, application
from recording_intake import RecordingIntake
from reference_server import Exchange, serve
from tocsin.integrations.wsgi import wsgi

SEED = seeds.dice().getrandbits(32)
PLANS = st.builds(Plan, **{name: st.sampled_from(choices) for name, choices in CHOICES.items()})


class CountingLog:
    """Stand in for the flight file."""

    def __init__(self) -> None:
        self.begun = 0
        self.open: set[int] = set()

    def begin(self, *words: str) -> int:
        self.begun += 1
        self.open.add(self.begun)
        return self.begun

    def end(self, slot: int) -> None:
        self.open.discard(slot)

    def abort_handled(self) -> None:
        raise AssertionError("nobody aborts here")


def run(plan: Plan, method: str, chunks: int, log: CountingLog | None) -> Exchange:
    exchange = Exchange()
    intake = RecordingIntake()
    if log is not None:
        intake.deaths = SimpleNamespace(log=log)  # type: ignore[assignment]
        intake.scrubber = SimpleNamespace(name=str)  # type: ignore[attr-defined]
    return serve(wsgi(application(plan, exchange.note), intake), exchange, method, chunks=chunks)  # type: ignore[arg-type]


@seed(SEED)
@settings(max_examples=400, deadline=None)
@given(plan=PLANS, method=st.sampled_from(["GET", "HEAD"]), chunks=st.sampled_from([1_000_000, 1, 2]))
@example(plan=Plan("rude_generator"), method="GET", chunks=1)
@example(plan=Plan("rude_generator", fault="close"), method="GET", chunks=1)
@example(plan=Plan("generator"), method="HEAD", chunks=1)
def test_an_application_behaves_the_same_and_no_request_stays_noted(plan: Plan, method: str, chunks: int) -> None:
    """Whatever it returns or raises, and wherever its server stops to listen."""
    log = CountingLog()
    bare, noted = run(plan, method, chunks, None), run(plan, method, chunks, log)
    assert (type(noted.raised), str(noted.raised)) == (type(bare.raised), str(bare.raised))
    assert (noted.status, noted.headers, noted.body, noted.steps) == (
        bare.status,
        bare.headers,
        bare.body,
        bare.steps,
    )
    assert log.begun == 1
    noted = bare  # with it goes what a server that closes nothing has kept
    assert not log.open
