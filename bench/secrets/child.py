"""One contestant, with its masking on or off, in a process of its own: acts happen, what is found leaves as JSON.

    python bench/secrets/child.py tocsin on 1 8 seed

says for every (act, place) of the plan, in order, whether its secret is found, and how often each harmless value is.
The two numbers: every how-manieth act happens, and of those every how-manieth is handed to all sinks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import harmless
import sorts
from places import Act, plan
from search import holds, readable

__all__ = ["HARMLESS_EVERY", "harmless_acts", "main", "secret_acts"]

HARMLESS_EVERY = 5  # places hold one in so many of the values
_ON = frozenset(sort.name for sort in sorts.SORTS if sort.is_on)


def secret_acts(every: int, seed: str) -> list[Act[sorts.Secret]]:
    """Return the acts that secrets are planted by."""
    return list(plan(sorts.secrets(seed)))[::every]


def harmless_acts(every: int, seed: str) -> list[Act[harmless.Harmless]]:
    """Return the acts that harmless values travel by; their numbers go on where those of secrets end."""
    acts = plan(harmless.harmless(seed), every=HARMLESS_EVERY)
    return [Act(act.number + 100_000, act.kind, act.filled) for act in acts][::every]


def main(arguments: Sequence[str]) -> int:
    """Measure one contestant."""
    who, mode, every, each = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    with tempfile.TemporaryDirectory(prefix="tocsin-secrets-") as folder:
        found = (_ours if who == "tocsin" else _peer)(who, mode == "on", every, each, arguments[4], Path(folder))
    print(json.dumps(found))
    return 0


def _ours(who: str, is_on: bool, every: int, each: int, seed: str, folder: Path) -> dict[str, Any]:
    from outlets import outlets

    import tocsin
    from ours import Ours, lines_of

    planted, ordinary = secret_acts(every, seed), harmless_acts(every, seed)
    stage = Ours(folder, masking=is_on)
    stage.bring_about([*planted, *ordinary])
    stage.close()
    lines = lines_of(folder)
    kept = {act.number: b"\n".join(lines.pop(act.number, [])) for act in (*planted, *ordinary)}
    if lines or not all(kept.values()):
        raise RuntimeError("an act has no event, or an event no act: nothing can be said")
    by_outlet: Counter[str] = Counter()
    only_there: list[str] = []
    with outlets(folder) as ways:
        for act in planted[::each]:
            told = {"500 page": stage.pages.get(act.number, b""), **ways.sent(kept[act.number])}
            _count(act, {name: readable(data) for name, data in told.items()}, by_outlet, only_there)
        names = ["file", "500 page", *ways.names]
    return {
        "version": tocsin.__version__,
        **_found(planted, ordinary, kept),
        "outlets": {name: by_outlet[name] for name in names},
        "sampled": sum(secret.sort in _ON for act in planted[::each] for _, secret in act.filled),
        "only_there": only_there,
        "left_out": ways.left_out,
    }


def _count(act: Act[Any], texts: Mapping[str, str], by_outlet: Counter[str], only_there: list[str]) -> None:
    for place, secret in act.filled:
        if secret.sort not in _ON:
            continue
        ways = [name for name, text in texts.items() if holds(text, secret.parts)]
        by_outlet.update(ways)
        if ways and "file" not in ways:
            only_there.append(f"{secret.sort}, {place.name}: {', '.join(ways)}")


def _peer(who: str, is_on: bool, every: int, each: int, seed: str, folder: Path) -> dict[str, Any]:
    import peers

    planted, ordinary = secret_acts(every, seed), harmless_acts(every, seed)
    version, kept = peers.reports(who, [*planted, *ordinary], folder, is_on=is_on)
    return {"version": version, **_found(planted, ordinary, kept)}


def _found(
    planted: Sequence[Act[sorts.Secret]], ordinary: Sequence[Act[harmless.Harmless]], kept: Mapping[int, bytes]
) -> dict[str, Any]:
    secrets: list[int] = []
    for act in planted:
        text = readable(kept.get(act.number, b""))
        secrets += [int(holds(text, secret.parts)) for _, secret in act.filled]
    values: list[int] = []
    for other in ordinary:
        text = readable(kept.get(other.number, b""))
        values += [text.count(value.held.lower()) for _, value in other.filled]
    return {"secrets": secrets, "harmless": values}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
