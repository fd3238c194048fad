"""The mail sink without a network: its settings, its URL form, its identity and the mails it writes."""

from __future__ import annotations

import email
import email.policy
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, time
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config.setting import parse_table
from tocsin.event.errors import ConfigError
from tocsin.event.model import Event, ExceptionInfo
from tocsin.event.notice import Commit, IssueReport, Notice
from tocsin.routing.episodes import Policy
from tocsin.sinks.base import NoticeSink, SinkContext
from tocsin.sinks.endpoint import is_loopback
from tocsin.sinks.mail import MailSink
from tocsin.sinks.mail.message import compose, message_id, thread_id
from tocsin.sinks.mail.options import Server, default_sender, server_of

AT = datetime(2026, 11, 22, 2, 41, tzinfo=UTC)
CONTEXT = SinkContext("shop", "production", "web1.example.org")
TO = ("ops@example.org", "dev@example.org")
ANY_TEXT = st.text(st.characters(codec=None), max_size=80)


def notice(*prefixes: str, **changes: Any) -> Notice:
    issues = tuple(
        IssueReport(
            f"v1:{prefix}",
            prefix,
            "traceback",
            "ERROR",
            "ValueError",
            "orders.pay",
            count=3,
            episode_count=3,
            untold=3,
            first_seen=AT,
            last_seen=AT,
            episode_started=AT,
            sample=Event(
                "traceback",
                "ERROR",
                40,
                AT,
                "shop",
                exception=ExceptionInfo("ValueError", "größer"),
                error_id=f"{prefix}-24F2",
            ),
        )
        for prefix in prefixes
    )
    values = {"id": "n1", "reason": "new", "at": AT, "application": "shop", "environment": "production"}
    return Notice(**{**values, **changes}, issues=issues)


def parsed(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def options(**raw: Any) -> dict[str, Any]:
    values, faults = parse_table(MailSink.settings, {"host": "mail.example.org", "to": list(TO), **raw}, "mail")
    assert faults == []
    return values


def faults_of(**raw: Any) -> list[str]:
    _, faults = parse_table(MailSink.settings, {"host": "mail.example.org", "to": list(TO), **raw}, "mail")
    return faults


# -- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "port", "tls"),
    [
        ({}, 25, "starttls"),
        ({"user": "bot", "password": "x"}, 587, "starttls"),
        ({"tls": "implicit"}, 465, "implicit"),
        ({"port": 465}, 465, "implicit"),
        ({"port": 465, "tls": "starttls"}, 465, "starttls"),
        ({"tls": "none"}, 25, "none"),
        ({"host": "localhost"}, 25, "none"),
        ({"host": "127.0.0.1", "port": "2525"}, 2525, "none"),
        ({"host": "::1"}, 25, "none"),
        ({"host": "localhost", "tls": "starttls"}, 25, "starttls"),
        ({"host": "localhost", "user": "bot", "password": "x"}, 587, "none"),
    ],
)
def test_port_and_tls_follow_from_what_is_given(raw: dict[str, Any], port: int, tls: str) -> None:
    """TLS is required unless the server is on this machine, with or without credentials."""
    server = server_of(options(**raw))
    assert (server.port, server.tls) == (port, tls)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"to": []}, "to must be one or more mail addresses"),
        ({"to": "ops@example.org, nobody"}, "to must be one or more mail addresses"),
        ({"to": ["ops@example.org\nBcc: eve@example.org"]}, "to must be one or more mail addresses"),
        ({"to": ["größe@example.org"]}, "to must be one or more mail addresses"),
        ({"sender": "tocsin"}, "sender must be a mail address"),
        ({"host": "mail example"}, "host must be a host name"),
        ({"host": "mail\r\nx"}, "host must be a host name"),
        ({"port": 70000}, "port must be a port"),
        ({"tls": "ssl"}, "tls must be one of auto, starttls, implicit, none"),
        ({"timeout": 0}, "timeout must be from 0.1 to 600 seconds"),
        ({"digest_at": "08:30"}, "digest_at must be a full hour such as 08:00"),
        ({"digest_at": 8}, "digest_at must be a full hour such as 08:00"),
        ({"quiet_hours": "22-7"}, "quiet_hours must be hours such as 22:00-07:00, or off"),
        ({"quiet_hours": "22:00-24:00"}, "quiet_hours must be hours such as 22:00-07:00, or off"),
        ({"quiet_hours": ["22:00", "07:00"]}, "quiet_hours must be hours such as 22:00-07:00, or off"),
        ({"quiet_hours": "08:00-08:00"}, "quiet_hours must end at another time than they begin"),
        ({"alive": 7}, "alive must be off, daily, weekly, or whole days such as 14d"),
        ({"alive": "90s"}, "alive must be off, daily, weekly, or whole days such as 14d"),
        ({"alive": "1.5d"}, "alive must be off, daily, weekly, or whole days such as 14d"),
        ({"alive": "0d"}, "alive must be off, daily, weekly, or whole days such as 14d"),
        ({"alive": "999d"}, "at most 366d"),
        ({"alive": True}, "alive must be off, daily, weekly"),
        ({"warnings_within": "1h"}, "warnings_within must be from 10 s to 10 minutes, such as 5m"),
        ({"warnings_at_once": -1}, "warnings_at_once must be a whole number from 0"),
        ({"pasword": "x"}, "did you mean 'password'?"),
    ],
)
def test_faults_name_the_setting_and_the_remedy(raw: dict[str, Any], fault: str) -> None:
    """Whoever reads the fault knows what to write instead."""
    assert fault in "\n".join(faults_of(**raw))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"tls": "none", "user": "bot", "password": "s3cret"}, "would send the password in clear"),
        ({"user": "bot"}, "password is required"),
        ({"password": "s3cret"}, "user is required"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file must be a file that is there"),
    ],
)
def test_faults_of_the_whole_are_told_without_the_password(raw: dict[str, Any], fault: str) -> None:
    """A password never leaves over an open line, nor in a fault."""
    with pytest.raises(ConfigError, match=fault) as caught:
        MailSink.from_options(options(**raw), CONTEXT)
    assert "s3cret" not in str(caught.value)


def test_all_faults_of_the_whole_are_told_at_once() -> None:
    """One start, one list."""
    with pytest.raises(ConfigError) as caught:
        MailSink.from_options(options(password="x", tls="none", ca_file="/nowhere"), CONTEXT)
    assert len(caught.value.faults) == 3


def test_password_is_in_no_representation() -> None:
    """A log of the server shows no secret."""
    assert "s3cret" not in repr(Server("h", 25, "starttls", 10, "", "bot", "s3cret"))
    assert [setting.name for setting in MailSink.settings if setting.is_secret] == ["password"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org?to=ops@example.org", {"to": "ops@example.org"}),
        ("smtp://mail.example.org:2525/?to=a@b.c&to=d@e.f", {"port": 2525, "to": ["a@b.c", "d@e.f"]}),
        ("smtps://mail.example.org?to=ops+shop@b.c", {"tls": "implicit", "to": "ops+shop@b.c"}),
        (
            "smtp://bot%40b.c:p%2Fw%40@mail.example.org?to=a@b.c&from=t@b.c&timeout=5s",
            {"user": "bot@b.c", "password": "p/w@", "to": "a@b.c", "sender": "t@b.c", "timeout": "5s"},
        ),
        ("smtp://mail.example.org?to=a@b.c&from=oldest", {"to": "a@b.c", "from": "oldest"}),
    ],
)
def test_url_stands_for_a_table(url: str, expected: dict[str, Any]) -> None:
    """Everything a table can say, a URL can; `from` is the sender where it is an address."""
    assert MailSink.options_from_url(url) == {"host": "mail.example.org", **expected}


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://bot:s3cret@/?to=a@b.c",
        "smtp://bot:s3cret@mail.example.org:many?to=a@b.c",
        "smtp://bot:s3cret/x@mail.example.org?to=a@b.c",
        "smtp://mail.example.org/path?to=a@b.c",
    ],
)
def test_faults_of_a_url_do_not_quote_it(url: str) -> None:
    """A password may be in it."""
    with pytest.raises(ConfigError) as caught:
        MailSink.options_from_url(url)
    assert "s3cret" not in str(caught.value)
    assert "smtp://user:password@" in str(caught.value)


def test_identity_is_the_destination_without_secret_or_order() -> None:
    """A cursor survives a new password and a reordered list."""
    first = MailSink.from_options(options(user="bot", password="a"), CONTEXT)
    second = MailSink.from_options(options(user="bot", password="b", to=list(reversed(TO))), CONTEXT)
    assert first.identity == second.identity == "mail:mail.example.org:587/dev@example.org,ops@example.org"
    assert isinstance(first, NoticeSink)


def test_policy_has_the_names_and_units_of_routing() -> None:
    """What routing takes is handed over as it stands."""
    sink = MailSink.from_options(options(gather="1m", digest_at="07:00"), CONTEXT)
    assert sink.policy == {
        "first_within_s": 10.0,
        "gather_s": 60.0,
        "silence_s": 3600.0,
        "update_interval_s": 3600.0,
        "cap_per_hour": 10,
        "digest_hour": 7,
        "warnings_at_once": 50,
        "warnings_within_s": 300.0,
        "quiet_hours": None,
        "alive_days": 0.0,
    }
    assert Policy(**sink.policy).gather_s == 60.0


@pytest.mark.parametrize(
    ("raw", "name", "expected"),
    [
        ({"quiet_hours": "22:00-07:00"}, "quiet_hours", (time(22), time(7))),
        ({"quiet_hours": "22:30 – 6:45"}, "quiet_hours", (time(22, 30), time(6, 45))),
        ({"quiet_hours": "off"}, "quiet_hours", None),
        ({"alive": "weekly"}, "alive_days", 7.0),
        ({"alive": "Daily"}, "alive_days", 1.0),
        ({"alive": "7d"}, "alive_days", 7.0),
        ({"alive": "2w"}, "alive_days", 14.0),
        ({"alive": "off"}, "alive_days", 0.0),
        ({"warnings_at_once": 200, "warnings_within": "10m"}, "warnings_within_s", 600.0),
    ],
)
def test_what_people_write_of_times_becomes_a_policy(raw: dict[str, Any], name: str, expected: Any) -> None:
    """In tables and URLs alike."""
    assert MailSink.from_options(options(**raw), CONTEXT).policy[name] == expected
    query = "&".join(f"{key}={quote(str(value))}" for key, value in raw.items())
    url = MailSink.options_from_url(f"smtp://mail.example.org?to=ops@example.org&{query}")
    values, faults = parse_table(MailSink.settings, url, "url")
    assert faults == []
    assert MailSink.from_options(values, CONTEXT).policy[name] == expected


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("web1.example.org", "tocsin@web1.example.org"),
        ("Web 1_x", "tocsin@web-1-x"),
        ("", "tocsin@localhost"),
    ],
)
def test_default_sender_is_an_address_whatever_the_host_is_called(host: str, sender: str) -> None:
    """A container's odd name makes no odd header."""
    assert default_sender(host) == sender


def test_loopback_is_told_by_name_alone() -> None:
    """Nothing is looked up while configuring."""
    assert is_loopback("app.localhost")
    assert not is_loopback("localhost.example.org")


def test_building_imports_neither_smtplib_nor_ssl() -> None:
    """An application pays for mail with its first mail."""
    program = (
        "import sys; from tocsin.sinks.mail import MailSink; MailSink.options_from_url('smtp://h?to=a@b.c');"
        "print([m for m in ('smtplib', 'ssl', 'email.message') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the mail ------------------------------------------------------------------------------------------


def test_mail_has_text_and_html_and_the_headers_of_a_machine() -> None:
    """Both parts in UTF-8, a subject with the id, and nobody's absence note comes back."""
    mail = parsed(compose(notice("7K3QDM"), "tocsin@example.org", TO))
    assert mail["Subject"] == "[shop/production] ValueError in orders.pay (7K3QDM) ×3"
    assert mail["From"] == "tocsin <tocsin@example.org>"
    assert mail["To"] == "ops@example.org, dev@example.org"
    assert mail["Date"] == "Sun, 22 Nov 2026 02:41:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Error-Id"] == "7K3QDM-24F2"
    assert mail["X-Tocsin-Fingerprint"] == "v1:7K3QDM"
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert "ValueError: größer" in text.get_content()  # type: ignore[attr-defined]
    assert "ValueError: größer" in html.get_content()  # type: ignore[attr-defined]
    assert [part.get_content_type() for part in (text, html)] == ["text/plain", "text/html"]


def test_the_same_notice_is_the_same_mail_to_the_byte() -> None:
    """Sent again after a crash, a receiver can tell that it is the same."""
    assert compose(notice("7K3QDM"), "a@b.c", TO) == compose(notice("7K3QDM"), "a@b.c", TO)


def test_mails_of_a_fault_make_one_thread() -> None:
    """First notice, update and comeback name the same parent; other applications and environments another."""
    new, update = notice("7K3QDM"), notice("7K3QDM", id="n2", reason="update")
    first, second = (parsed(compose(each, "a@b.c", TO)) for each in (new, update))
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"] == first["In-Reply-To"] == thread_id(new, "v1:7K3QDM")
    assert thread_id(notice(environment="staging"), "x") != thread_id(notice(), "x")
    assert message_id(new).endswith("@tocsin.shop>")


def test_mail_of_several_faults_belongs_to_no_thread_and_names_all_ids() -> None:
    """A filter finds each of them."""
    mail = parsed(compose(notice("7K3QDM", "EE3QDM"), "a@b.c", TO))
    assert mail["References"] is None
    assert mail["X-Error-Id"] == "7K3QDM-24F2, EE3QDM-24F2"


def test_ids_are_never_folded_or_encoded() -> None:
    """A folded Message-ID breaks threads in several readers."""
    raw = compose(notice("7K3QDM", application="Ünï " * 30), "a@b.c", TO).decode("ascii")
    ids = [line for line in raw.split("\r\n") if line.startswith(("Message-ID: <", "References: <", "In-Reply-To: <"))]
    assert len(ids) == 3
    assert all(line.endswith(">") for line in ids)


@pytest.mark.parametrize("culprit", ["a" * length + ".b c" for length in range(1, 70)])
def test_subject_arrives_as_it_was_meant(culprit: str) -> None:
    """Wherever a line is broken, no space is added or lost."""
    told = replace(notice("7K3QDM").issues[0], culprit=culprit)
    mail = compose(replace(notice(), issues=(told,)), "a@b.c", TO)
    assert parsed(mail)["Subject"] == f"[shop/production] ValueError in {culprit} (7K3QDM) ×3"


@pytest.mark.parametrize("word", ["=?utf-8?q?forged?=", "=?utf-8?q?a=0D=0ABcc:=20eve@example.org?="])
def test_what_looks_encoded_is_shown_as_it_is(word: str) -> None:
    """An exception may be called anything; decoded once too often it could add a header."""
    told = replace(notice("7K3QDM").issues[0], culprit=word, episode_count=1)
    mail = parsed(compose(replace(notice(), issues=(told,)), "a@b.c", TO))
    assert mail["Subject"] == f"[shop/production] ValueError in {word} (7K3QDM)"
    assert mail["Bcc"] is None


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_any_text_makes_a_valid_mail(first: str, second: str, third: str) -> None:
    """ASCII with CRLF, lines of at most 998, and no header but ours, whatever an event says."""
    issue = IssueReport(first, second, "error", third, first, second, 3, 3, 3, AT, AT, AT, third, first)
    exception = ExceptionInfo(third, first, notes=(second,))
    sample = Event("error", third, 40, AT, first, message=second, exception=exception, error_id=third)
    full = replace(issue, sample=sample, introduced=Commit(third, AT, first, f"https://{second}"))
    told = Notice(first, "new", AT, second, third, (issue, full))
    raw = compose(told, "tocsin@example.org", TO)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert set(parsed(raw).keys()) <= {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "X-Tocsin-Reason",
        "X-Error-Id",
        "X-Tocsin-Fingerprint",
        "MIME-Version",
        "Content-Type",
    }
