"""The mail sink against real SMTP servers: TLS, logins, refusals, silence."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from certs import Certs, make_certs

from broken_shop import hostile_notice, issue, notice
from tocsin.config.setting import parse_table
from tocsin.sinks.base import Accepted, Refused, SinkContext, Unavailable
from tocsin.sinks.mail import MailSink

aiosmtpd = pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
from aiosmtpd.controller import Controller  # noqa: E402
from aiosmtpd.smtp import AuthResult, LoginPassword  # noqa: E402
from ports import free_port  # noqa: E402

NEW = notice("new", issue())
# Long enough for a busy machine, short enough for a test of silence.
TIMEOUT_S = 5.0


class Mailbox:
    """Take mail, with a reply of its own for each recipient and for each mail as a test wants it."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.recipients: dict[str, list[str]] = {}
        self.sender_reply = ""
        self.data_reply = ""
        self.data_replies: list[str] = []  # one for each mail, before data_reply

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, mail_options: Any) -> str:
        if self.sender_reply:
            return self.sender_reply
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, rcpt_options: Any) -> str:
        replies = self.recipients.get(address)
        if replies:
            return replies.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data_replies:
            return self.data_replies.pop(0)
        if self.data_reply:
            return self.data_reply
        self.mails.append(envelope)
        return "250 OK queued as 1"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) in (
        (b"bot", b"s3cret"),
        ("bö".encode(), "pä".encode()),
    )
    return AuthResult(success=is_right, handled=is_right)


@contextmanager
def serving(box: Mailbox, **settings: Any) -> Iterator[int]:
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **settings)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def server_context(certs: Certs) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.key)
    return context


def sink(port: int, *, mask: Callable[[str], str] = str, **raw: Any) -> MailSink:
    table = {"host": "localhost", "port": port, "to": ["ops@example.org"], "timeout": TIMEOUT_S, **raw}
    values, faults = parse_table(MailSink.settings, table, "mail")
    assert faults == []
    return MailSink.from_options(values, SinkContext("shop", "production", "web1", mask))


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


# -- getting through -----------------------------------------------------------------------------------


def test_plain_mail_to_loopback_arrives_whole(box: Mailbox) -> None:
    """Without TLS on this machine; what arrives is what was meant, both parts and the ids."""
    with serving(box) as port:
        outcome = sink(port, to=["ops@example.org", "dev@example.org"]).notify(NEW)
    assert outcome == Accepted("no TLS (loopback), 250 OK queued as 1")
    (envelope,) = box.mails
    assert envelope.mail_from == "tocsin@web1"
    assert envelope.rcpt_tos == ["ops@example.org", "dev@example.org"]
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert mail["Subject"] == "[shop/production] CurrencyError in orders.views.pay (7K3QDM) ×37"
    assert mail["X-Error-Id"] == "7K3QDM-24F2"
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "raise CurrencyError(name)\n" in text
    assert "tocsin mute 7K3QDM --for 7d" in text
    assert "<u>rates[order.currency]</u>" in mail.get_body(("html",)).get_content()


def test_hostile_notice_arrives_without_a_forged_header(box: Mailbox) -> None:
    """Nothing an event says adds a recipient or ends the mail early."""
    with serving(box) as port:
        outcome = sink(port).notify(hostile_notice(count=3))
    assert isinstance(outcome, Accepted)
    mail = email.message_from_bytes(box.mails[0].content, policy=email.policy.default)
    assert mail["Bcc"] is None
    assert mail.get_content_type() == "multipart/alternative"


def test_starttls_and_login(box: Mailbox, certs: Certs) -> None:
    """The usual submission server: TLS required, then a login."""
    settings = {"tls_context": server_context(certs), "require_starttls": True}
    with serving(box, **settings, authenticator=authenticate, auth_required=True) as port:
        outcome = sink(port, tls="starttls", ca_file=str(certs.ca), user="bot", password="s3cret").notify(NEW)
    assert outcome == Accepted("TLSv1.3, 250 OK queued as 1")


def test_starttls_without_login(box: Mailbox, certs: Certs) -> None:
    """TLS does not depend on credentials."""
    with serving(box, tls_context=server_context(certs), require_starttls=True) as port:
        outcome = sink(port, tls="starttls", ca_file=str(certs.ca)).notify(NEW)
    assert outcome == Accepted("TLSv1.3, 250 OK queued as 1")


def test_implicit_tls_and_login_beyond_ascii(box: Mailbox, certs: Certs) -> None:
    """smtps, by address, with a user and password that smtplib alone can't send."""
    settings = {"ssl_context": server_context(certs), "authenticator": authenticate, "auth_require_tls": False}
    with serving(box, **settings) as port:
        options = {"host": "127.0.0.1", "tls": "implicit", "ca_file": str(certs.ca), "user": "bö", "password": "pä"}
        outcome = sink(port, **options).notify(NEW)
    assert outcome == Accepted("TLSv1.3, 250 OK queued as 1")


# -- what must be mended -------------------------------------------------------------------------------


def test_wrong_password_is_told_with_what_to_mend(box: Mailbox, certs: Certs) -> None:
    """The notice waits; the password is in no reason."""
    settings = {"tls_context": server_context(certs), "require_starttls": True, "authenticator": authenticate}
    with serving(box, **settings) as port:
        outcome = sink(port, tls="starttls", ca_file=str(certs.ca), user="bot", password="wr0ng").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "refused the login of bot: 535" in outcome.reason
    assert outcome.remedy == "check user and password"
    assert "wr0ng" not in repr(outcome)
    assert box.mails == []


def test_login_that_the_server_does_not_offer(box: Mailbox) -> None:
    """A server without AUTH is told from one that refuses it."""
    with serving(box) as port:
        outcome = sink(port, user="bot", password="s3cret").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "offers no login" in outcome.reason


def test_server_without_starttls_gets_nothing(box: Mailbox, certs: Certs) -> None:
    """STARTTLS is required, not tried: whoever strips it from the line gets no mail."""
    with serving(box) as port:
        outcome = sink(port, tls="starttls", ca_file=str(certs.ca)).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "offers no STARTTLS" in outcome.reason
    assert box.mails == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_untrusted_certificate_gets_nothing(box: Mailbox, certs: Certs, tls: str) -> None:
    """Without the authority the system's own are asked, and they don't know it."""
    name = "tls_context" if tls == "starttls" else "ssl_context"
    with serving_unchecked(box, certs, name) as port:
        outcome = sink(port, tls=tls).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "certificate" in outcome.reason
    assert "not trusted" in outcome.reason
    assert "ca_file" in outcome.remedy
    assert box.mails == []


def test_certificate_of_another_name_gets_nothing(box: Mailbox, tmp_path: Path) -> None:
    """A right authority with a wrong name is an impostor all the same."""
    other = make_certs(tmp_path, ("mail.example.org",))
    with serving(box, tls_context=server_context(other)) as port:
        outcome = sink(port, tls="starttls", ca_file=str(other.ca)).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "not trusted" in outcome.reason
    assert "localhost" in outcome.reason


def test_ca_file_that_holds_no_certificate(box: Mailbox, tmp_path: Path) -> None:
    """The file is named, and nothing is sent."""
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    with serving(box) as port:
        outcome = sink(port, tls="starttls", ca_file=str(path)).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert f"ca_file '{path}' can't be used" in outcome.reason


@contextmanager
def serving_unchecked(box: Mailbox, certs: Certs, name: str) -> Iterator[int]:
    """Serve with a context that a client will turn away; asyncio says so in its log, which is expected."""
    with serving(box, **{name: server_context(certs)}) as port:
        yield port


# -- refusals ------------------------------------------------------------------------------------------


def test_mailbox_refused_for_good_is_a_loss(box: Mailbox) -> None:
    """550 for everybody: this mail never goes, and the server's words are told."""
    box.recipients["ops@example.org"] = ["550 5.1.1 no such user"]
    with serving(box) as port:
        outcome = sink(port).notify(NEW)
    assert isinstance(outcome, Refused)
    assert "ops@example.org: 550 5.1.1 no such user" in outcome.reason
    assert "to" in outcome.remedy


@pytest.mark.parametrize(
    "reply", ["530 5.7.0 Authentication required", "550 relay not permitted", "554 5.7.1 <ops>: Relay access denied"]
)
def test_host_that_may_not_send_there_waits_for_the_right(box: Mailbox, reply: str) -> None:
    """The configuration is refused, not this mail, so nothing is given up."""
    box.recipients["ops@example.org"] = [reply]
    with serving(box) as port:
        mail = sink(port)
        first, second = mail.notify(NEW), mail.notify(NEW)
    assert isinstance(first, Unavailable)
    assert reply in first.reason
    assert first.remedy == "set user and password, or let this host send there"
    assert isinstance(second, Accepted)


def test_mail_that_is_too_big_after_the_data_is_sent_in_brief(box: Mailbox) -> None:
    """A server that says so late is as good as one that says so at once."""
    box.data_replies = ["552 5.3.4 message too big"]
    with serving(box) as port:
        outcome = sink(port).notify(NEW)
    assert isinstance(outcome, Accepted)
    mail = email.message_from_bytes(box.mails[0].content, policy=email.policy.default)
    assert "Traceback" not in mail.get_body(("plain",)).get_content()


def test_full_mailbox_is_tried_again(box: Mailbox) -> None:
    """452 for everybody: later, the same thing."""
    box.recipients["ops@example.org"] = ["452 4.2.2 mailbox full"]
    with serving(box) as port:
        mail = sink(port)
        first, second = mail.notify(NEW), mail.notify(NEW)
    assert isinstance(first, Unavailable)
    assert "452 4.2.2 mailbox full" in first.reason
    assert isinstance(second, Accepted)


def test_who_took_the_mail_is_not_sent_it_again(box: Mailbox) -> None:
    """One deferred, one taken: the retry goes to the one deferred alone."""
    box.recipients["dev@example.org"] = ["452 4.5.3 too many recipients"]
    with serving(box) as port:
        mail = sink(port, to=["ops@example.org", "dev@example.org"])
        first, second = mail.notify(NEW), mail.notify(NEW)
    assert isinstance(first, Unavailable)
    assert "ops@example.org took the mail" in first.reason
    assert isinstance(second, Accepted)
    assert [envelope.rcpt_tos for envelope in box.mails] == [["ops@example.org"], ["dev@example.org"]]


def test_one_full_mailbox_does_not_hold_back_the_others_for_ever(box: Mailbox) -> None:
    """After three tries the mail counts as delivered, and who lacks it is told."""
    box.recipients["dev@example.org"] = ["452 full"] * 9
    with serving(box) as port:
        mail = sink(port, to=["ops@example.org", "dev@example.org"])
        outcomes = [mail.notify(NEW) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable, Accepted]
    assert "not taken for dev@example.org (452 full)" in repr(outcomes[2])
    assert len(box.mails) == 1


def test_one_wrong_address_is_told_and_the_others_get_it(box: Mailbox) -> None:
    """Accepted, with who did not get it."""
    box.recipients["dev@example.org"] = ["550 unknown"]
    with serving(box) as port:
        outcome = sink(port, to=["ops@example.org", "dev@example.org"]).notify(NEW)
    assert isinstance(outcome, Accepted)
    assert outcome.detail.endswith("250 OK queued as 1; not taken for dev@example.org (550 unknown)")


def test_server_gone_between_two_halves_is_no_loss(box: Mailbox) -> None:
    """The rest waits for the server; nobody is sent it twice, however often it is tried."""
    box.recipients["dev@example.org"] = ["452 busy"]
    with serving(box) as port:
        mail = sink(port, to=["ops@example.org", "dev@example.org"])
        assert isinstance(mail.notify(NEW), Unavailable)
    for _ in range(5):
        outcome = mail.notify(NEW)
        assert isinstance(outcome, Unavailable)
        assert "nothing listens" in outcome.reason


def test_mail_refused_for_good_is_a_loss(box: Mailbox) -> None:
    """554 after the data: too large, or taken for spam."""
    box.data_reply = "554 5.7.1 looks like spam"
    with serving(box) as port:
        outcome = sink(port).notify(NEW)
    assert isinstance(outcome, Refused)
    assert "554 5.7.1 looks like spam" in outcome.reason


def test_sender_refused_waits_for_a_mended_configuration(box: Mailbox) -> None:
    """Another sender would do, so nothing is given up."""
    box.sender_reply = "550 5.7.1 sender not allowed"
    with serving(box) as port:
        outcome = sink(port).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "refuses mail from tocsin@web1" in outcome.reason
    assert "sender" in outcome.remedy


def test_words_of_the_server_are_masked_and_harmless(box: Mailbox) -> None:
    """What a server repeats goes through the mask, and onto one line."""
    box.data_reply = "451 try later token=abc123 \x1b[31m s3cret"
    with serving(box, authenticator=authenticate, auth_require_tls=False) as port:
        mail = sink(port, mask=lambda text: text.replace("abc123", "[masked]"), user="bot", password="s3cret")
        outcome = mail.notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "token=[masked]" in outcome.reason
    assert "abc123" not in outcome.reason
    assert "s3cret" not in outcome.reason
    assert outcome.reason.isprintable()


# -- silence -------------------------------------------------------------------------------------------


def test_nothing_listens(box: Mailbox) -> None:
    """A server that is down is told as that."""
    with serving(box) as port:
        pass
    outcome = sink(port).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == f"nothing listens on localhost:{port}"


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection by hand."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                talk(connection)
            except OSError:
                pass  # the client hung up, as it should

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)
        assert not thread.is_alive()


def test_silent_server_is_left_within_the_timeout() -> None:
    """It takes the connection and never says a word."""
    with talking(lambda connection: _until_closed(connection)) as port:
        started = time.monotonic()
        outcome = sink(port, host="127.0.0.1", timeout=0.3).notify(NEW)
        lasted_s = time.monotonic() - started
    assert isinstance(outcome, Unavailable)
    assert "did not answer in time while greeting" in outcome.reason
    assert lasted_s < 2


def test_dripping_server_is_left_within_the_timeout() -> None:
    """A byte now and then renews a socket's timeout, but not ours."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"220 ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    with talking(drip) as port:
        started = time.monotonic()
        outcome = sink(port, host="127.0.0.1", timeout=0.4).notify(NEW)
        lasted_s = time.monotonic() - started
    assert isinstance(outcome, Unavailable)
    assert "did not answer in time" in outcome.reason
    assert lasted_s < 3


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_silence_within_the_handshake_is_left_too(certs: Certs, tls: str) -> None:
    """TLS has its bound as well."""

    def talk(connection: socket.socket) -> None:
        if tls == "starttls":
            connection.sendall(b"220 hello\r\n")
            connection.recv(999)
            connection.sendall(b"250-hello\r\n250 STARTTLS\r\n")
            connection.recv(999)
            connection.sendall(b"220 go\r\n")
        _until_closed(connection)

    with talking(talk) as port:
        outcome = sink(port, host="127.0.0.1", timeout=0.4, tls=tls, ca_file=str(certs.ca)).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "did not answer in time while agreeing on TLS" in outcome.reason


def test_what_is_said_before_tls_is_forgotten(certs: Certs) -> None:
    """A reply slipped in behind the server's 220 is not taken for one said within TLS (CVE-2011-0411's kind)."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"220 hello\r\n")
        connection.recv(999)
        connection.sendall(b"250-hello\r\n250 STARTTLS\r\n")
        connection.recv(999)
        connection.sendall(b"220 go\r\n250-forged\r\n250 AUTH PLAIN\r\n")
        _until_closed(connection)

    with talking(talk) as port:
        outcome = sink(
            port, host="127.0.0.1", timeout=0.5, tls="starttls", ca_file=str(certs.ca), user="bot", password="s3cret"
        ).notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "TLS" in outcome.reason


def test_tls_spoken_to_a_plain_server_is_told() -> None:
    """The wrong port for implicit TLS is the usual mistake."""
    with talking(lambda connection: connection.sendall(b"220 hello\r\n")) as port:
        outcome = sink(port, host="127.0.0.1", tls="implicit").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "failed while agreeing on TLS" in outcome.reason
    assert "tls" in outcome.remedy


@pytest.mark.parametrize(
    "said", [b"", b"554 go away\r\n", b"garbage\r\n", b"220 hello\r\n", b"\xff" * 20_000 + b"\r\n"]
)
def test_server_that_hangs_up_or_talks_nonsense(said: bytes) -> None:
    """Whatever it says, the notice waits and the reason is one readable line."""
    with talking(lambda connection: connection.sendall(said)) as port:
        outcome = sink(port, host="127.0.0.1").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 400


def test_unknown_host_is_told() -> None:
    """The name is what to check."""
    outcome = sink(25, host="mail.invalid", tls="none").notify(NEW)
    assert isinstance(outcome, Unavailable)
    assert "the name mail.invalid can't be resolved" in outcome.reason


def _until_closed(connection: socket.socket) -> None:
    connection.settimeout(20)
    while connection.recv(4096):
        pass
