"""The page's tables: results go in; Markdown leaves, by name, for the marked places of docs/explanation/performance.md.

The words around the tables are written by hand and stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import peers
import profiles
from results import Results
from targets import TARGETS
from variants.faults import COUNTS as FAULTS
from variants.frames import DEPTHS
from variants.workers import COUNTS as WORKERS
from wording import in_mb, in_ms, in_percent, in_us, spread, table

__all__ = ["PAGE", "blocks", "is_ours", "write"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
_PLACE: Final = "<!-- bench: {name} -->\n.*?<!-- /bench -->"
_PEERS: Final = tuple(peers.Peer(file).name for file in peers.NAMES)


def blocks(results: Results, *, with_floors: bool = False) -> dict[str, str]:
    """Return each block's Markdown, of what was measured; ``with_floors`` profiles what missed its target."""
    found = {name: make(results) for name, make in _BLOCKS.items() if name in results.figures}
    found = {"targets": _targets(results), **found, "peers": _peers(results), "machine": _machine(results)}
    return {**found, "floors": _floors(results)} if with_floors else found


def write(blocks: Mapping[str, str]) -> list[str]:
    """Put the blocks into their places; return the names of places that nothing was measured for."""
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks.items():
        place = re.compile(_PLACE.format(name=name), re.DOTALL)
        text = place.sub(lambda _, name=name, block=block: _placed(name, block), text)
    PAGE.write_text(text, encoding="utf-8")
    return [name for name in re.findall(r"<!-- bench: (\w+) -->", text) if name not in blocks]


def _placed(name: str, block: str) -> str:
    return f"<!-- bench: {name} -->\n\n{block}\n\n<!-- /bench -->"


def is_ours(measure: str, variant: str) -> bool:
    """Tell whether a variant is tocsin's or a yardstick, which need no peer."""
    return not any(variant == name or variant.startswith(f"{name},") for name in _PEERS)


# -- what was to be reached --------------------------------------------------------------------------------


def _targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        value = target.measured(results)
        if value is not None:
            is_reached = "yes" if value <= target.limit else "**no**"
            rows.append((target.what, target.say(value), f"≤ {target.say(target.limit)}", is_reached))
    return table(("measure", "measured", "to reach", "reached"), rows)


def _floors(results: Results) -> str:
    """Return a profile for each target that isn't reached and has one."""
    missed = [(target, target.measured(results)) for target in TARGETS if target.profile]
    shown = [target for target, value in missed if value is not None and value > target.limit]
    if not shown:
        return "This time none: every target that a profile could say something about is reached."
    return "\n\n".join(f"**{target.what}.** {profiles.apart(target.profile)}" for target in shown)


# -- requests that succeed ---------------------------------------------------------------------------------


def _wsgi(results: Results) -> str:
    names = [name.removesuffix(", list") for name in results.variants("wsgi") if name.endswith(", list")]
    rows = []
    for name in names:
        cells = [f"({_of(results, 'wsgi', f'bare, {kind}', 'ns', in_us)})" for kind in ("list", "generator")]
        if name != "bare":
            cells = [
                spread(results.over("wsgi", f"{name}, {kind}", f"bare, {kind}", "ns"), in_us)
                for kind in ("list", "generator")
            ]
        rows.append((_named(name), *cells))
    return table(("added to a WSGI request", "the body is a list", "a generator"), rows)


def _asgi(results: Results) -> str:
    rows = [("bare", f"({_of(results, 'asgi', 'bare', 'ns', in_us)})")]
    for name in results.variants("asgi"):
        if name != "bare":
            rows.append((_named(name), spread(results.over("asgi", name, "bare", "ns"), in_us)))
    return table(("added to an ASGI request", ""), rows)


def _deaths(results: Results) -> str:
    names = [name.removeprefix("on, ") for name in results.variants("deaths") if name.startswith("on, ")]
    rows = [(name, spread(results.over("deaths", f"on, {name}", f"off, {name}", "ns"), in_us)) for name in names]
    return table(("added to a request by `deaths = true`", ""), rows)


# -- errors ------------------------------------------------------------------------------------------------


def _event(results: Results) -> str:
    names = [name for name in results.variants("event") if name != "raise"]
    plain = [name for name in names if not name.endswith(", locals")]
    rows = []
    for name in plain:
        cells = _captured(results, "event", name)
        with_locals = results.over("event", f"{name}, locals", "raise", "thread_ns")
        rows.append((_named(name), *cells, spread(with_locals, in_us)))
    head = ("a full report, 20 frames", "the failing thread", "`format_exc` = 1", "the process", "with locals")
    return table(head, rows)


def _captured(results: Results, measure: str, name: str) -> tuple[str, str, str]:
    thread = results.over(measure, name, "raise", "thread_ns")
    process = results.over(measure, name, "raise", "process_ns")
    yardstick = results.over("event", "format_exc", "raise", "thread_ns")
    ratio = "" if thread is None or yardstick is None else f"{thread.median / yardstick.median:.2g}"
    return spread(thread, in_us), ratio, "" if process is None else in_us(process.median)


def _known(results: Results) -> str:
    rows = []
    for name in results.variants("known"):
        if name != "raise":
            thread, _, process = _captured(results, "known", name)
            rows.append((_named(name), thread, process))
    return table(("a known fault again", "the failing thread", "the process"), rows)


def _storm(results: Results) -> str:
    rows = []
    for name in results.variants("storm"):
        errors, arrived = (results.of("storm", name, figure) for figure in ("errors", "arrived"))
        wall, thread = (results.of("storm", name, figure) for figure in ("wall_s", "thread_s"))
        if errors is None or arrived is None or wall is None or thread is None:
            continue
        each = in_us(thread.median / errors.median * 1e9)
        cells = [_of(results, "storm", name, figure, in_mb) for figure in ("grown_kb", "disk_kb")]
        numbers = f"{errors.median:,.0f} in {wall.median:.1f} s"
        rows.append((_named(name), numbers, each, f"{arrived.median:,.0f}", *cells))
    return table(("a storm", "errors", "CPU time each", "arrived", "memory over idle", "disk"), rows)


# -- being there -------------------------------------------------------------------------------------------


def _latency(results: Results) -> str:
    rows = []
    for name in results.variants("latency"):
        cells = [_of(results, "latency", name, figure, in_ms) for figure in ("p50_ms", "p90_ms", "p99_ms", "p999_ms")]
        delivered = results.of("latency", name, "delivered")
        rows.append((name, *cells, f"{delivered.median:,.0f}" if delivered else ""))
    return table(("leader, worker", "p50", "p90", "p99", "p99.9", "delivered meanwhile"), rows)


def _imports(results: Results) -> str:
    base = results.over("imports", "logging and json", "nothing", "cpu_ms")
    rows = []
    for name in results.variants("imports"):
        added = results.over("imports", name, "nothing", "cpu_ms")
        if name != "nothing" and added is not None and base is not None:
            rows.append((_named(name), spread(added, in_ms), f"{added.median / base.median:.1f}"))
    return table(("import, cold", "CPU time", "`logging` and `json` = 1"), rows)


def _memory(results: Results) -> str:
    rows = []
    base = {figure: results.of("memory", "without", f"worker_{figure}") for figure in ("rss_kb", "pss_kb")}
    for name in results.variants("memory"):
        for who in ("worker", "leader"):
            cells = []
            for figure, least in base.items():
                found = results.of("memory", name, f"{who}_{figure}")
                if found is not None and least is not None:
                    cells.append(in_mb(found.median))
                    cells.append("" if name == "without" else f"+{in_mb(found.median - least.median)}")
            if cells:
                rows.append((f"{name}, {who}", *cells))
    return table(("Flask on gunicorn", "RSS", "over without", "PSS", "over without"), rows)


# -- how cost grows ----------------------------------------------------------------------------------------


def _frames(results: Results) -> str:
    rows = []
    for depth in DEPTHS:
        cells = [
            spread(results.over("frames", f"{name}, {depth}", f"raise, {depth}", "thread_ns"), in_us)
            for name in ("known", "full", "format_exc")
        ]
        rows.append((str(depth), *cells))
    return table(("frames", "known fault", "full report", "`format_exc()`"), rows)


def _faults(results: Results) -> str:
    rows = []
    for number in FAULTS:
        captured, disk = (results.of("faults", str(number), figure) for figure in ("captured", "disk_kb"))
        each = _of(results, "faults", str(number), "ns", in_us)
        if captured is not None and disk is not None:
            rows.append((f"{number:,}", each, f"{captured.median:,.0f}", in_mb(disk.median)))
    return table(("different faults among 9,900 errors", "each, raising included", "full reports", "disk"), rows)


def _workers(results: Results) -> str:
    rows = []
    for number in WORKERS:
        per_s = results.of("workers", str(number), "per_s")
        rows.append(
            (
                str(number),
                spread(per_s, lambda value: f"{value:,.0f}"),
                _of(results, "workers", str(number), "cpu_ns", in_us),
            )
        )
    return table(("processes on one spool", "full reports a second, all together", "CPU time of each"), rows)


def _masking(results: Results) -> str:
    on, off = (results.over("masking", name, "raise", "thread_ns") for name in ("on", "off"))
    if on is None or off is None:
        return ""
    rows = [("on", spread(on, in_us), in_percent(1 - off.median / on.median)), ("off", spread(off, in_us), "")]
    return table(("masking", "full report", "its share"), rows)


def _lead_up(results: Results) -> str:
    rows = []
    for name in results.variants("lead_up"):
        if name == "nowhere":
            rows.append(("nowhere", f"({_of(results, 'lead_up', name, 'ns', in_us)})"))
        else:
            rows.append((_named(name), spread(results.over("lead_up", name, "nowhere", "ns"), in_us)))
    return table(("added to a record of logging", ""), rows)


# -- what was measured -------------------------------------------------------------------------------------


def _peers(results: Results) -> str:
    found = [peers.Peer(file) for file in peers.NAMES]
    rows = [(peer.name, results.versions.get(peer.name, ""), peer.configuration, peer.sink) for peer in found]
    return table(("", "version", "configuration", "reports go to"), [row for row in rows if row[1]])


def _machine(results: Results) -> str:
    machine = results.machine
    minutes = f"; all of it took {results.seconds / 60:.0f} minutes" if results.seconds > 60 else ""
    return f"Measured with {machine['python']} on {machine['system']}, {machine['cpus']} processors{minutes}."


def _of(results: Results, measure: str, variant: str, figure: str, say: Callable[[Any], str]) -> str:
    return spread(results.of(measure, variant, figure), say)


def _named(name: str) -> str:
    if name.startswith("tocsin"):
        return f"**{name}**"
    return {"format_exc": "`traceback.format_exc()`", "logging and json": "`logging` and `json`"}.get(name, name)


_BLOCKS: Final[Mapping[str, Callable[[Results], str]]] = {
    "wsgi": _wsgi,
    "asgi": _asgi,
    "deaths": _deaths,
    "event": _event,
    "known": _known,
    "storm": _storm,
    "latency": _latency,
    "imports": _imports,
    "memory": _memory,
    "frames": _frames,
    "faults": _faults,
    "workers": _workers,
    "masking": _masking,
    "lead_up": _lead_up,
}
