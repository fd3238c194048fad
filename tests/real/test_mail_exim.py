"""The mail sink and a real Exim: STARTTLS, a login, and what lies in the maildir in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from exim import PASSWORD, USER

from broken_shop import CURRENCY_ERROR, ERROR, TRACEBACK, hostile_notice, issue, notice
from tocsin.config.setting import parse_table
from tocsin.config.sink_table import SinkTable
from tocsin.delivery.leader import Leader
from tocsin.event import wire
from tocsin.event.notice import Activity
from tocsin.sinks.base import Accepted, Refused, SinkContext, Unavailable
from tocsin.sinks.mail import MailSink
from tocsin.sinks.registry import build
from tocsin.spool.folder import Folder
from tocsin.spool.memory import Occurrence
from tocsin.spool.writer import Writer
from tocsin.testing import SinkContract

if TYPE_CHECKING:
    from email.message import EmailMessage

    from certs import Certs
    from exim import Exim

NEW = notice("new", issue(), spool="/var/spool/shop")


@pytest.fixture
def sink(exim: Exim, certs: Certs) -> Any:
    """Return a maker of sinks that log in by TLS, unless told otherwise."""

    def make(**raw: Any) -> MailSink:
        table = {
            "host": "localhost",
            "port": exim.port,
            "tls": "starttls",
            "ca_file": str(certs.ca),
            "user": USER,
            "password": PASSWORD,
            "to": ["ops@example.org"],
            **raw,
        }
        values, faults = parse_table(MailSink.settings, {key: each for key, each in table.items() if each}, "mail")
        assert faults == []
        return MailSink.from_options(values, SinkContext("shop", "production", "web1.example.org"))

    return make


def text_of(mail: EmailMessage) -> str:
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")


def html_of(mail: EmailMessage) -> str:
    return str(mail.get_body(("html",)).get_content()).replace("\r\n", "\n")


# -- what arrives ------------------------------------------------------------------------------------------
def test_mail_arrives_by_tls_and_login_with_both_parts_and_its_headers(exim: Exim, sink: Any) -> None:
    """What a filter, a thread and a reader need is there, and nothing is defective."""
    outcome = sink(to=["ops@example.org", "dev@example.org"]).notify(NEW)
    assert isinstance(outcome, Accepted)
    assert outcome.detail.startswith("TLSv1.3, 250 OK id=")
    (mail,) = exim.mails("ops")
    assert len(exim.mails("dev")) == 1
    assert mail.defects == []
    assert "with esmtpsa" in mail["Received"]  # RFC 3848: TLS and a login
    assert mail["Return-path"] == "<tocsin@web1.example.org>"
    assert mail["Subject"] == "[shop/production] CurrencyError in orders.views.pay (7K3QDM) ×37"
    assert (mail["From"], mail["To"]) == ("tocsin <tocsin@web1.example.org>", "ops@example.org, dev@example.org")
    assert mail["Date"].datetime == NEW.at
    assert (mail["Auto-Submitted"], mail["X-Tocsin-Reason"]) == ("auto-generated", "new")
    assert (mail["X-Error-Id"], mail["X-Tocsin-Fingerprint"]) == ("7K3QDM-24F2", TRACEBACK.fingerprint)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "raise CurrencyError(name)\n" in text_of(mail)
    assert "tocsin mute 7K3QDM --for 7d --spool /var/spool/shop\n" in text_of(mail)
    assert "<u>rates[order.currency]</u>" in html_of(mail)


def test_mails_of_a_fault_make_one_thread(exim: Exim, sink: Any) -> None:
    """Each names the same parent, and has a Message-ID of its own."""
    for reason in ("new", "update", "quiet", "comeback"):
        assert isinstance(sink().notify(notice(reason, issue(count=370), id=f"notice-{reason}")), Accepted)
    mails = exim.mails(count=4)
    assert {mail["X-Tocsin-Reason"] for mail in mails} == {"new", "update", "quiet", "comeback"}
    assert len({mail["References"] for mail in mails}) == len({mail["In-Reply-To"] for mail in mails}) == 1
    assert mails[0]["References"] == mails[0]["In-Reply-To"]
    assert len({mail["Message-ID"] for mail in mails}) == 4
    assert not any(mail["Message-ID"] == mails[0]["References"] for mail in mails)


def test_the_same_notice_has_the_same_message_id(exim: Exim, sink: Any) -> None:
    """A mail that is sent again after a crash can be dropped as a repetition."""
    sink().notify(NEW)
    sink().notify(NEW)
    first, second = exim.mails(count=2)
    assert first["Message-ID"] == second["Message-ID"]


def test_letters_beyond_ascii_and_long_lines_arrive_as_they_were(exim: Exim, sink: Any) -> None:
    """In subject, text and HTML; and on the wire no line is longer than SMTP allows, nor is any byte above 127."""
    message = "Größe “naïve” 漢字 🚀 " + "x" * 5000
    event = replace(TRACEBACK, exception=replace(CURRENCY_ERROR, message=message), message="größer", template="größer")
    told = notice("new", issue(event, culprit="läden.ansichten.zahle"), application="lädchen")
    assert isinstance(sink().notify(told), Accepted)
    (raw,) = exim.raw_mails()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\n"))) <= 998
    (mail,) = exim.mails()
    assert mail["Subject"] == "[lädchen/production] CurrencyError in läden.ansichten.zahle (7K3QDM) ×37"
    for body in (text_of(mail), html_of(mail)):
        assert message in body


def test_dots_and_mail_headers_in_a_message_end_nothing(exim: Exim, sink: Any) -> None:
    """A line of one dot ends a mail, and an empty line its header: neither comes from an event."""
    event = replace(ERROR, message="first\r\n.\r\nQUIT\r\n\r\nBcc: eve@example.org\r\nlast", template="a\r\n.\r\nb")
    assert isinstance(sink().notify(notice("new", issue(event))), Accepted)
    (mail,) = exim.mails()
    assert mail["Bcc"] is None
    assert "\n.\n" not in text_of(mail)
    assert "last" in text_of(mail)
    assert mail.get_body(("html",)) is not None


def test_hostile_notices_of_any_reason_arrive_whole(exim: Exim, sink: Any) -> None:
    """Every text is hostile, and the mail has its headers, its parts and nothing more."""
    for number, reason in enumerate(("new", "update", "summary", "digest")):
        told = replace(hostile_notice(reason, 3), id=f"hostile-{number}")
        assert isinstance(sink().notify(told), Accepted)
    for mail in exim.mails(count=4):
        assert (mail["Bcc"], mail["To"], mail.defects) == (None, "ops@example.org", [])
        assert "<script>" not in html_of(mail)
        assert "\x1b" not in text_of(mail)


def test_a_sign_of_life_and_a_digest_arrive(exim: Exim, sink: Any) -> None:
    """What is told besides faults is told as well."""
    done = Activity(NEW.at - timedelta(days=7), seen=8212, told=8200, notices=12, waiting=12, lost=0)
    assert isinstance(sink().notify(notice("alive", id="alive-1", activity=done)), Accepted)
    assert isinstance(sink().notify(notice("digest", issue(), issue(ERROR, 3), id="digest-1")), Accepted)
    alive, digest = exim.mails(count=2)
    assert alive["Subject"] == "[shop/production] tocsin works: 12 notices of 8,200 occurrences in 7 d"
    assert alive["References"] is None
    assert digest["Subject"] == "[shop/production] Daily digest: 2 faults, 40 times"
    assert "3×  EE3QDM" in text_of(digest)


# -- what must be mended -----------------------------------------------------------------------------------
def test_wrong_password_sends_nothing_and_waits(exim: Exim, sink: Any) -> None:
    """Mended, the same mail goes."""
    outcome = sink(password="wr0ng").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert f"refused the login of {USER}: 535" in outcome.reason
    assert "wr0ng" not in repr(outcome)
    assert isinstance(sink().notify(NEW), Accepted)
    assert len(exim.mails()) == 1


def test_login_that_was_forgotten_waits_too(exim: Exim, sink: Any) -> None:
    """530 for each recipient is about who sends, not about the mail."""
    outcome = sink(user="", password="").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "530" in outcome.reason
    assert "user and password" in outcome.remedy


def test_login_without_tls_is_not_offered(sink: Any) -> None:
    """The password doesn't travel in clear, on this machine either."""
    outcome = sink(tls="none", ca_file="").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "offers no login" in outcome.reason


# -- not now, and never ------------------------------------------------------------------------------------
def test_deferred_mail_goes_later(exim: Exim, sink: Any) -> None:
    """451 after the whole mail: once more, and it is there once."""
    exim.defer("busy")
    mail = sink()
    outcome = mail.notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "451 4.3.0 the scanner is busy" in outcome.reason
    exim.defer("busy", is_on=False)
    assert isinstance(mail.notify(NEW), Accepted)
    assert len(exim.mails()) == 1


def test_grey_listed_recipient_gets_it_later_and_the_other_only_once(exim: Exim, sink: Any) -> None:
    """Greylisting answers 451 to who comes for the first time."""
    exim.defer("grey-dev")
    mail = sink(to=["ops@example.org", "dev@example.org"])
    outcome = mail.notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "ops@example.org took the mail; not taken for dev@example.org (451 4.7.1 grey-listed" in outcome.reason
    exim.defer("grey-dev", is_on=False)
    assert isinstance(mail.notify(NEW), Accepted)
    (first,), (second,) = exim.mails("ops"), exim.mails("dev")
    assert first["Message-ID"] == second["Message-ID"]
    assert second["To"] == "ops@example.org, dev@example.org"


def test_recipient_who_is_gone_refuses_for_good_and_the_others_get_it(exim: Exim, sink: Any) -> None:
    """550: of one, it is told; of all, the notice is refused."""
    outcome = sink(to=["gone@example.org"]).notify(NEW)
    assert isinstance(outcome, Refused)
    assert "gone@example.org: 550 5.1.1 no such user" in outcome.reason
    outcome = sink(to=["gone@example.org", "ops@example.org"]).notify(NEW)
    assert isinstance(outcome, Accepted)
    assert "not taken for gone@example.org (550" in outcome.detail
    assert len(exim.mails()) == 1


def test_mail_that_is_too_big_arrives_in_brief(exim: Exim, sink: Any) -> None:
    """552: without the reports it is small, and tells how to see them."""
    exim.stop()
    exim.start(max_bytes=12_000)
    try:
        big = issue(replace(TRACEBACK, exception=replace(CURRENCY_ERROR, message="x" * 8000)))
        outcome = sink().notify(notice("new", big, id="big"))
    finally:
        exim.stop()
        exim.start()
    assert isinstance(outcome, Accepted)
    (mail,) = exim.mails()
    assert mail["Subject"] == "[shop/production] CurrencyError in orders.views.pay (7K3QDM) ×37"
    assert "tocsin show 7K3QDM" in text_of(mail)
    assert "xxxx" not in text_of(mail)


def test_mail_for_which_even_brief_is_too_big_is_refused(exim: Exim, sink: Any) -> None:
    """The reason is the server's."""
    exim.stop()
    exim.start(max_bytes=500)
    try:
        outcome = sink().notify(NEW)
    finally:
        exim.stop()
        exim.start()
    assert isinstance(outcome, Refused)
    assert "552" in outcome.reason


def test_server_that_is_away_is_told_and_gets_it_when_it_is_back(exim: Exim, sink: Any) -> None:
    """Nothing is kept open, so nothing has to be noticed."""
    mail = sink()
    assert isinstance(mail.notify(replace(NEW, id="before")), Accepted)
    exim.stop()
    outcome = mail.notify(replace(NEW, id="between"))
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == f"nothing listens on localhost:{exim.port}"
    exim.start()
    assert isinstance(mail.notify(replace(NEW, id="between")), Accepted)
    assert len(exim.mails(count=2)) == 2


# -- with a spool and a leader in front of it --------------------------------------------------------------
class Desk:
    """A spool, mail sinks from a configuration, and a leader whose clock the test sets."""

    def __init__(self, folder: Path, exim: Exim, certs: Certs, *tables: dict[str, Any]) -> None:
        self.folder = Folder(folder / "spool")
        self.folder.prepare()
        self.writer = Writer(self.folder, about={"application": "shop", "environment": "production", "sinks": []})
        common = {"type": "mail", "host": "localhost", "port": exim.port, "tls": "starttls", "gather": "0s"}
        common |= {"ca_file": str(certs.ca), "user": USER, "password": PASSWORD}
        context = SinkContext("shop", "production", "web1.example.org")
        sinks, faults = build([SinkTable({**common, **table}) for table in tables], context)
        assert faults == []
        self.time = datetime.now(UTC)
        names = {"application": "shop", "environment": "production"}
        self.leader = Leader(self.folder, sinks, **names, now=lambda: self.time, tell=lambda *_: None)

    def happen(self, name: str, **changes: Any) -> None:
        fingerprint = f"v1:{name * 16}"
        event = replace(ERROR, timestamp=self.time, fingerprint=fingerprint, error_id="", **changes)
        body = wire.encode(event)
        occurrence = Occurrence(event.kind, event.levelno, 1, fingerprint, self.time.timestamp(), body)
        assert self.writer.append(occurrence) is not None

    def go(self, seconds: float) -> None:
        """Let the clock go on, and the leader do what it can by then."""
        self.time += timedelta(seconds=seconds)
        while self.leader.step() or self.leader.is_busy:
            time.sleep(0.001)


@pytest.fixture
def desk(tmp_path: Path, exim: Exim, certs: Certs) -> Iterator[Any]:
    made: list[Desk] = []

    def make(*tables: dict[str, Any]) -> Desk:
        made.append(Desk(tmp_path, exim, certs, *tables))
        return made[-1]

    yield make
    for each in made:
        each.leader.close()


@pytest.mark.complaints
def test_an_hour_without_the_server_delays_the_mail_and_loses_nothing(exim: Exim, desk: Any) -> None:
    """It is tried again by a clock that is kept, and the notice that leaves is the one that was decided."""
    scene = desk({"to": "ops@example.org"})
    scene.happen("a1")
    exim.stop()
    for _ in range(60):
        scene.go(60)
        scene.happen("a1")
    exim.start()
    for _ in range(16):
        scene.go(60)
    (first,) = exim.mails()
    assert first["X-Tocsin-Reason"] == "new"
    assert first["Date"].datetime < scene.time - timedelta(hours=1)
    for _ in range(65):
        scene.go(60)
    first, second = exim.mails(count=2)
    assert second["Subject"].endswith("61 in all")
    assert second["References"] == first["References"]
    assert scene.leader.is_idle


def test_recipients_by_kind_and_by_logger(exim: Exim, desk: Any) -> None:
    """Two sinks on one server: each gets what it asked for."""
    scene = desk(
        {"to": "ops@example.org", "kinds": ["error"], "loggers": ["billing"]},
        {"to": "dev@example.org", "kinds": ["traceback", "error"]},
    )
    scene.happen("a1", logger="billing.invoices", template="invoice %s", message="invoice 1")
    scene.happen("b2", logger="shop.stock", template="stock %s", message="stock 1")
    scene.go(0)
    scene.go(10)
    assert [mail["Subject"].partition("“")[2].partition("”")[0] for mail in exim.mails("ops")] == ["invoice %s"]
    dev = {mail["Subject"].partition("“")[2].partition("”")[0] for mail in exim.mails("dev", count=2)}
    assert dev == {"invoice %s", "stock %s"}


# -- every sink's contract ---------------------------------------------------------------------------------
class TestContract(SinkContract):
    """What every sink does, with what Exim put into the maildir as the proof."""

    is_idempotent: ClassVar[bool] = False  # the Message-ID is the same; Exim delivers it again

    @pytest.fixture(autouse=True)
    def _server(self, exim: Exim, sink: Any) -> None:
        self.exim, self.make = exim, sink

    def new_sink(self) -> MailSink:
        made: MailSink = self.make()
        return made

    def received(self) -> Sequence[str]:
        return [f"{mail['Subject']}\n{text_of(mail)}\n{html_of(mail)}" for mail in self.exim.mails()]
