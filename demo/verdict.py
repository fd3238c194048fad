"""The verdict: evidence goes in; checks leave, each with whether it holds and in which words."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evidence import Evidence
from leaks import Leak, Search, unseen_encodings
from planted import Planted

__all__ = ["Check", "checks", "leaks_of", "search_is_known_to_work"]

_SHOWN = 6
_UNSEEN_ID = "222222-2222"
_ID_ON_PAGE = re.compile(r"<code>([0-9A-Z]{6}-[0-9A-Z]{4})</code>")
_ID_IN_TEXT = re.compile(r"error id: ([0-9A-Z]{6}-[0-9A-Z]{4})")


@dataclass(frozen=True, slots=True)
class Check:
    """Be one thing that was looked at. ``faults`` are what is wrong with it; ``remarks`` are worth knowing."""

    title: str
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.faults

    def words(self) -> str:
        """Return it as text of one or more lines."""
        more = len(self.faults) - _SHOWN
        shown = [f"      {fault}" for fault in self.faults[:_SHOWN]]
        shown += [f"      … and {more} more"] if more > 0 else []
        return "\n".join([self.title, *shown, *(f"      {remark}" for remark in self.remarks)])


def checks(evidence: Evidence, planted: Planted) -> Iterator[Check]:
    """Yield every check, in the order in which they are worth reading."""
    yield _all_happened(evidence)
    yield _one_fault_one_issue(evidence)
    yield _mailed_once(evidence)
    yield _counted_exactly(evidence)
    yield _ids_agree(evidence)
    yield _ids_are_found(evidence)
    yield _warnings_are_no_mails(evidence)
    yield _not_found_is_nowhere(evidence)
    yield _nothing_lost(evidence)
    yield _no_secrets(evidence, planted)


def leaks_of(evidence: Evidence, planted: Planted) -> tuple[set[Leak], int]:
    """Return the secrets that were found in what tocsin sent or wrote, and how many bytes were searched."""
    search = Search(planted.named())
    found: set[Leak] = set()
    for place, data in evidence.bytes_of_tocsin():
        found |= search.find(place, data)
    return found, search.bytes_searched


def search_is_known_to_work(evidence: Evidence, planted: Planted) -> Check:
    """Check, on a run with masking switched off, that the search finds every secret: else it proves nothing."""
    found, _ = leaks_of(evidence, planted)
    seen = {leak.secret for leak in found}
    faults = [f"{name} was not found" for name in planted.named() if name not in seen]
    faults += [f"not found when written as {encoding}" for encoding in unseen_encodings()]
    places = sorted({re.sub(r"\d+", "n", leak.place.partition(",")[0].partition("/")[0]) for leak in found})
    title = f"the search works: with masking switched off it finds all {len(planted.named())} secrets"
    return Check(title, tuple(faults), (f"{len(found)} hits: {', '.join(places)}",))


# -- the single checks -------------------------------------------------------------------------------------


def _all_happened(evidence: Evidence) -> Check:
    wanted = evidence.played.fault_names | evidence.played.warning_names
    happened = {line.fault for line in evidence.lines}
    faults = [f"{name} did not happen" for name in sorted(wanted - happened)]
    faults += [f"{name} happened unasked" for name in sorted(happened - wanted)]
    lost = [answer for answer in evidence.played.answers if answer.status == 0]
    remarks = [f"{len(lost)} requests got no answer, as their worker was killed"] if lost else []
    requests = len(evidence.played.answers)
    title = f"{len(wanted)} faults and warnings happened, {len(evidence.lines)} times in {requests} requests"
    return Check(title, tuple(faults), tuple(remarks))


def _one_fault_one_issue(evidence: Evidence) -> Check:
    fingerprints = evidence.fingerprints()
    owners: dict[str, str] = {}
    faults = []
    for fault in sorted({line.fault for line in evidence.lines}):
        found = fingerprints.get(fault, set())
        if len(found) != 1:
            faults.append(f"{fault} has {len(found)} fingerprints: {', '.join(sorted(found)) or 'it never arrived'}")
        for fingerprint in found:
            if owners.setdefault(fingerprint, fault) != fault:
                faults.append(f"{fault} and {owners[fingerprint]} share {fingerprint}")
    return Check("each fault is one issue, and each issue one fault", tuple(faults))


def _mailed_once(evidence: Evidence) -> Check:
    by_id = {str(mail.message["Message-ID"]): mail for mail in evidence.stage.mailbox.mails}
    told = Counter(fingerprint for mail in by_id.values() if mail.reason == "new" for fingerprint in mail.fingerprints)
    fingerprints = evidence.fingerprints()
    faults = []
    for fault in sorted(evidence.played.fault_names):
        number = sum(told[fingerprint] for fingerprint in fingerprints.get(fault, ()))
        if number != 1:
            faults.append(f"{fault} was mailed {number} times")
    known = {fingerprint for found in fingerprints.values() for fingerprint in found}
    faults += [f"a mail tells of {fingerprint}, which nobody caused" for fingerprint in sorted(set(told) - known)]
    repeated = len(evidence.stage.mailbox.mails) - len(by_id)
    remarks = [f"{repeated} came twice with the same Message-ID, around the kill"] if repeated else []
    remarks += _other_mails(evidence)
    return Check(f"each of {len(evidence.played.fault_names)} faults was mailed once", tuple(faults), tuple(remarks))


def _other_mails(evidence: Evidence) -> list[str]:
    others = Counter(mail.reason for mail in evidence.stage.mailbox.mails if mail.reason != "new")
    return [f"besides: {', '.join(f'{number} × {reason}' for reason, number in others.items())}"] if others else []


def _counted_exactly(evidence: Evidence) -> Check:
    counts, fingerprints = evidence.occurrences(), evidence.fingerprints()
    faults, remarks, total = [], [], 0
    for fault, (least, most) in sorted(evidence.expected().items()):
        number = sum(counts[fingerprint] for fingerprint in fingerprints.get(fault, ()))
        total += number
        if not least <= number <= most:
            faults.append(f"{fault}: happened {least if least == most else f'{least} to {most}'}, counted {number}")
        elif least != most:
            remarks.append(f"{fault}: {most - least} in flight at the kill, {number - least} of it had been reported")
    return Check(f"counts are exact: {total} occurrences, as the side file has them", tuple(faults), tuple(remarks))


def _ids_agree(evidence: Evidence) -> Check:
    """Check that header, page and event of a request name the same id, and that each 500 has one."""
    faults = []
    seen = 0
    for answer in evidence.played.answers:
        if answer.status != 500 or answer.is_cut:
            continue
        seen += 1
        on_page = _id_in(answer.headers.get("content-type", ""), answer.body.decode("utf-8", "replace"))
        if not answer.error_id or on_page != answer.error_id:
            faults.append(f"{answer.visit.path}: header {answer.error_id or 'none'}, page {on_page or 'none'}")
    for event in evidence.events:
        asked = evidence.answer_of.get(evidence.request_id(event))
        if asked is not None and asked.error_id and asked.error_id != event["error_id"]:
            faults.append(f"{asked.visit.path}: visitor saw {asked.error_id}, the event has {event['error_id']}")
    return Check(f"the error id is the same in header, page and event, for {seen} answers", tuple(faults))


def _id_in(content_type: str, body: str) -> str:
    if "json" in content_type:
        return str(json.loads(body).get("error_id", ""))
    match = (_ID_ON_PAGE if "html" in content_type else _ID_IN_TEXT).search(body)
    return match[1] if match else ""


def _ids_are_found(evidence: Evidence) -> Check:
    """Ask `tocsin show` for every id: the first ones as a person would, the others without a process for each."""
    ids = sorted({answer.error_id for answer in evidence.played.answers if answer.error_id})
    show = _show_within(str(evidence.stage.config))
    faults = []
    for number, error_id in enumerate(ids):
        if number < 3:
            done = evidence.stage.tocsin("show", error_id)
            status, out = done.returncode, done.stdout + done.stderr
        else:
            status, out = show(error_id)
        if status != 0 or error_id.partition("-")[0] not in out:
            faults.append(f"tocsin show {error_id}: {out.strip()[:200] or f'exit status {status}'}")
    if evidence.stage.tocsin("show", _UNSEEN_ID).returncode == 0:
        faults.append(f"tocsin show {_UNSEEN_ID} finds what nobody ever saw, so the others prove nothing")
    return Check(f"`tocsin show` finds each of {len(ids)} error ids that visitors saw", tuple(faults))


def _show_within(config: str) -> Callable[[str], tuple[int, str]]:
    from tocsin.cli import main

    def show(error_id: str) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                status = main(["show", error_id, "--config", config])
            except SystemExit as leaving:
                status = leaving.code if isinstance(leaving.code, int) else 1
        return int(status or 0), out.getvalue()

    return show


def _warnings_are_no_mails(evidence: Evidence) -> Check:
    told = {print_ for mail in evidence.stage.mailbox.mails if mail.reason == "new" for print_ in mail.fingerprints}
    counts, fingerprints = evidence.occurrences(), evidence.fingerprints()
    faults = []
    for name in sorted(evidence.played.warning_names):
        found = fingerprints.get(name, set())
        if found & told:
            faults.append(f"{name} was mailed by itself")
        if not sum(counts[fingerprint] for fingerprint in found):
            faults.append(f"{name} is not in the file")
    kinds = {event["kind"] for event in evidence.events if _is_of(evidence, event, evidence.played.warning_names)}
    if kinds - {"warning"}:
        faults.append(f"their kinds are {', '.join(sorted(kinds))}")
    return Check("warnings wait for the digest, and are in the file", tuple(faults))


def _is_of(evidence: Evidence, event: dict[str, object], names: frozenset[str]) -> bool:
    return evidence.fault_of_request.get(evidence.request_id(event)) in names


def _not_found_is_nowhere(evidence: Evidence) -> Check:
    marker = evidence.played.marker.encode()
    places = [place for place, data in evidence.bytes_of_tocsin() if marker in data and not place.startswith("answer")]
    return Check("a 404 is nowhere", tuple(f"found in {place}" for place in places))


def _nothing_lost(evidence: Evidence) -> Check:
    losses = [event for event in evidence.events if event["kind"] == "loss"]
    faults = [f"{event['occurrences']} lost: {event.get('reason')}" for event in losses]
    log = evidence.stage.log.read_text(encoding="utf-8", errors="replace").splitlines()
    faults += [f"tocsin complains: {line}" for line in log if line.startswith("tocsin: ")]
    return Check("nothing was lost, and tocsin has nothing to complain of", tuple(dict.fromkeys(faults)))


def _no_secrets(evidence: Evidence, planted: Planted) -> Check:
    found, size = leaks_of(evidence, planted)
    faults = [f"{leak.secret} in {leak.place} ({leak.encoding})" for leak in sorted(found)]
    faults += [f"the search misses what is written as {encoding}" for encoding in unseen_encodings()]
    title = f"none of {len(planted.named())} planted secrets is in the {size:,} bytes that left or were written"
    return Check(title, tuple(faults))
