"""The picture of a soak: samples and events go in; an SVG of four panels leaves, text that any editor can read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from soak_samples import Sample

__all__ = ["picture"]

_WIDTH: Final = 860
_PANEL: Final = 150
_LEFT, _RIGHT, _TOP, _GAP = 64, 16, 44, 42
_MB: Final = 1_048_576
_COLOURS: Final = {
    "master": "#8a6d3b",
    "worker": "#2563a8",
    "deliver": "#b3401f",
    "spool": "#2f7d4f",
    "sink": "#7a4fa3",
}
_NAMES: Final = {"deliver": "tocsin deliver", "sink": "file sink"}


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    roles: tuple[str, ...]
    value: Callable[[Sample], float]


_PANELS: Final = (
    _Panel("memory of each process (RSS, MB)", ("master", "worker", "deliver"), lambda each: each.bytes / _MB),
    _Panel("open descriptors of each process", ("master", "worker", "deliver"), lambda each: each.descriptors),
    _Panel("threads of each process", ("master", "worker", "deliver"), lambda each: each.threads),
    _Panel("disk (MB)", ("spool", "sink"), lambda each: each.bytes / _MB),
)


def picture(samples: Sequence[Sample], seconds: float, events: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return the SVG. ``events`` are spans of time by name, such as releases and when the mail server was away."""
    height = _TOP + len(_PANELS) * (_PANEL + _GAP) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Memory, descriptors, threads and disk over the run">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(events),
    ]
    for index, panel in enumerate(_PANELS):
        parts += _drawn(panel, samples, seconds, events, _TOP + 18 + index * (_PANEL + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _legend(events: Mapping[str, Sequence[tuple[float, float]]]) -> list[str]:
    parts, x = [], _LEFT
    for role, colour in _COLOURS.items():
        name = _NAMES.get(role, role)
        parts.append(f'<line x1="{x}" y1="16" x2="{x + 18}" y2="16" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 23}" y="20" fill="#222222">{name}</text>')
        x += 42 + 7 * len(name)
    parts.append(f'<text x="{x + 8}" y="20" fill="#666666">grey: {", ".join(events)}</text>')
    return parts


def _drawn(
    panel: _Panel,
    samples: Sequence[Sample],
    seconds: float,
    events: Mapping[str, Sequence[tuple[float, float]]],
    top: float,
) -> list[str]:
    chosen = [sample for sample in samples if sample.role in panel.roles]
    ceiling = _ceiling(max((panel.value(sample) for sample in chosen), default=1.0))
    plot = _WIDTH - _LEFT - _RIGHT

    def x(at_s: float) -> float:
        return round(_LEFT + plot * min(at_s / seconds, 1.0), 1)

    def y(value: float) -> float:
        return round(top + _PANEL * (1.0 - value / ceiling), 1)

    parts = [f'<text x="{_LEFT}" y="{top - 6}" fill="#222222" font-weight="bold">{panel.title}</text>']
    for spans in events.values():
        for begun, ended in spans:
            width = max(1.5, x(ended) - x(begun))
            parts.append(f'<rect x="{x(begun)}" y="{top}" width="{width}" height="{_PANEL}" fill="#e4e4e4"/>')
    for step in range(5):
        value = ceiling * step / 4
        parts.append(f'<line x1="{_LEFT}" y1="{y(value)}" x2="{_WIDTH - _RIGHT}" y2="{y(value)}" stroke="#d0d0d0"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end" fill="#444444">{value:g}</text>')
    for step in range(7):
        at_s = seconds * step / 6
        anchor = "end" if step == 6 else "middle"
        label = f"{at_s / 60:g} min" if seconds >= 360 else f"{at_s:g} s"
        parts.append(
            f'<text x="{x(at_s)}" y="{top + _PANEL + 15}" text-anchor="{anchor}" fill="#444444">{label}</text>'
        )
    lives: dict[tuple[str, int], list[str]] = defaultdict(list)
    for sample in chosen:
        lives[sample.role, sample.pid].append(f"{x(sample.at_s)},{y(panel.value(sample))}")
    for (role, _), points in lives.items():
        line = " ".join(points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{_COLOURS[role]}" stroke-width="1.5"/>')
    return parts


def _ceiling(highest: float) -> float:
    """Return a round number of four equal steps that holds the highest value."""
    steps = (digit * 10.0**scale for scale in range(-3, 9) for digit in (1, 2, 5))
    return next(4 * step for step in steps if 4 * step >= highest)
