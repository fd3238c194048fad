"""How well keys tell families apart: (family, variant, key) go in; pairwise precision, recall and F1 leave."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Keyed", "Score", "merges", "score", "splits"]


@dataclass(frozen=True, slots=True)
class Keyed:
    """Hold one occurrence as a rule sees it."""

    family: str
    variant: str
    key: str


@dataclass(frozen=True, slots=True)
class Score:
    """Hold the counts of pairs: of one family, of one key, of both; and of families and keys."""

    same_family: int
    same_key: int
    same_both: int
    families: int
    keys: int
    split: int  # families with several keys
    merged: int  # keys with several families

    @property
    def precision(self) -> float:
        """Return which share of the pairs that the rule makes one issue are one fault."""
        return self.same_both / self.same_key if self.same_key else 1.0

    @property
    def recall(self) -> float:
        """Return which share of the pairs that are one fault the rule makes one issue."""
        return self.same_both / self.same_family if self.same_family else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def score(found: Sequence[Keyed]) -> Score:
    """Count all pairs of a set's occurrences."""
    families = Counter(one.family for one in found)
    keys = Counter(one.key for one in found)
    both = Counter((one.family, one.key) for one in found)
    return Score(
        same_family=_pairs(families),
        same_key=_pairs(keys),
        same_both=_pairs(both),
        families=len(families),
        keys=len(keys),
        split=sum(count > 1 for count in Counter(family for family, _ in both).values()),
        merged=sum(count > 1 for count in Counter(key for _, key in both).values()),
    )


def splits(found: Sequence[Keyed]) -> dict[str, list[list[str]]]:
    """Return the families that have several keys: the variants of each key, the most first."""
    by_family: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        by_family[one.family][one.key].append(one.variant)
    parts = {family: sorted(keys.values(), key=lambda names: -len(names)) for family, keys in by_family.items()}
    return {family: told for family, told in parts.items() if len(told) > 1}


def merges(found: Sequence[Keyed]) -> list[dict[str, list[str]]]:
    """Return the keys that several families have: the variants by family."""
    by_key: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        by_key[one.key][one.family].append(one.variant)
    return [dict(families) for families in by_key.values() if len(families) > 1]


def _pairs(counts: Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(count * (count - 1) // 2 for count in counts.values())
