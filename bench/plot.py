"""The picture of the page: results go in; an SVG of bars on a logarithmic scale leaves, which any editor can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from results import Results
from wording import in_us

__all__ = ["PICTURE", "picture", "write"]

PICTURE: Final = Path(__file__).parents[1] / "docs" / "explanation" / "performance.svg"

_WIDTH: Final = 860
_LEFT, _RIGHT = 190, 90
_BAR, _PITCH, _HEAD, _GAP = 14, 20, 34, 30
_LEAST_BAR: Final = 0.3  # in powers of ten: else the shortest bar would say that it is nearly nothing
# The viewer's own scheme decides; the bars can be told from either ground.
_STYLE: Final = """
  text { font: 12px sans-serif; fill: #1f2328 }
  .title { font-weight: bold; font-size: 13px }
  .tick { fill: #59636e; font-size: 11px }
  .ground { fill: #ffffff }
  .grid { stroke: #d1d9e0 }
  .bar { fill: #8b98a5 }
  .ours { fill: #1a7f5a }
  .strong { font-weight: bold }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .tick { fill: #9198a1 }
    .ground { fill: #0d1117 }
    .grid { stroke: #30363d }
    .bar { fill: #6e7983 }
    .ours { fill: #3fb68b }
  }
"""


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    bars: Sequence[tuple[str, float]]  # name, nanoseconds


def write(results: Results) -> None:
    """Write the picture where the page shows it."""
    PICTURE.write_text(picture(results), encoding="utf-8")


def picture(results: Results) -> str:
    """Return the SVG: what a request that succeeds costs more, what a full report does, what a known fault does."""
    panels = [panel for panel in _panels(results) if panel.bars]
    parts: list[str] = []
    top = 10
    for panel in panels:
        parts += _drawn(panel, top)
        top += _HEAD + _PITCH * len(panel.bars) + _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img" '
            'aria-label="CPU time of tocsin and of others, on a logarithmic scale">',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{top}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panels(results: Results) -> list[_Panel]:
    requests = [name for name in results.variants("wsgi") if name.endswith(", list") and not name.startswith("bare")]
    full = [name for name in results.variants("event") if name != "raise" and not name.endswith(", locals")]
    known = [name for name in results.variants("known") if name != "raise"]
    return [
        _Panel(
            "Added to a WSGI request that succeeds",
            _bars(results, "wsgi", requests, "bare, list", "ns"),
        ),
        _Panel("A full report, 20 frames, on the failing thread", _bars(results, "event", full, "raise", "thread_ns")),
        _Panel("A known fault once more, on the failing thread", _bars(results, "known", known, "raise", "thread_ns")),
    ]


def _bars(results: Results, measure: str, names: Sequence[str], base: str, figure: str) -> list[tuple[str, float]]:
    found = [(name.removesuffix(", list"), results.over(measure, name, base, figure)) for name in names]
    bars = [(name, spread.median) for name, spread in found if spread is not None and spread.median > 0]
    return sorted(bars, key=lambda bar: bar[1])


def _drawn(panel: _Panel, top: int) -> list[str]:
    least = math.log10(min(ns for _, ns in panel.bars))
    low = math.floor(least - _LEAST_BAR)
    high = math.ceil(math.log10(max(ns for _, ns in panel.bars)))
    span = max(high - low, 1)
    first = top + _HEAD
    bottom = first + _PITCH * len(panel.bars)

    def x(ns: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(ns) - low) / span, 1)

    parts = [f'<text class="title" x="8" y="{top + 12}">{escape(panel.title)}</text>']
    for power in range(low, low + span + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" x1="{at}" y1="{first - 4}" x2="{at}" y2="{bottom}"/>')
        label = f"{10**power / 1000:,.0f} µs" if power >= 3 else f"{10.0 ** (power - 3):g} µs"
        parts.append(f'<text class="tick" x="{at}" y="{first - 8}" text-anchor="middle">{label}</text>')
    for row, (name, ns) in enumerate(panel.bars):
        y = first + row * _PITCH
        is_ours = name.startswith("tocsin")
        bold = ' class="strong"' if is_ours else ""
        width = round(max(x(ns) - _LEFT, 2), 1)
        kind = "ours" if is_ours else "bar"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end"{bold}>{escape(_short(name))}</text>')
        parts.append(f'<rect class="{kind}" x="{_LEFT}" y="{y + 1}" width="{width}" height="{_BAR}" rx="2"/>')
        parts.append(f'<text x="{_LEFT + width + 6}" y="{y + 12}"{bold}>{in_us(ns)}</text>')
    return parts


def _short(name: str) -> str:
    words = {"format_exc": "traceback.format_exc()", "tocsin, its thread delivers to a file": "tocsin, delivering"}
    return words.get(name, name).replace("`", "")
