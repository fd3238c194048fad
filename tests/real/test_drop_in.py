"""Drop-in handlers where the standard ones were: one import changed, against real servers, side by side."""

from __future__ import annotations

import http.client
import json
import logging
import logging.config
import logging.handlers
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from certs import Certs

pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
from mailbox import Mailbox, serving, text_of

from aiosmtpd.smtp import AuthResult
from ports import free_ports
from syslogd import RSYSLOG, Daemon

import tocsin
from tocsin import handlers
from tocsin.handlers.channel import close_all

SHOP = Path(__file__).with_name("drop_in_shop.py")
STANDARD_IMPORT = "from logging.handlers import SMTPHandler"
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have spools within the test's folder; nothing names the application."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tmp_path
    close_all(0.0)


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    found = logging.getLogger("shop")
    found.setLevel(logging.DEBUG)
    found.propagate = False
    yield found
    found.propagate = True


def write_shop(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the shop with the one import changed; ``changes`` are others that a test makes."""
    source = SHOP.read_text(encoding="utf-8")
    for before, after in ((STANDARD_IMPORT, "from tocsin.handlers import SMTPHandler"), *changes):
        assert source.count(before) == 1
        source = source.replace(before, after)
    path = folder / "shop.py"
    path.write_text(source, encoding="utf-8")
    return path


def run_shop(path: Path, port: int, requests: int) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SHOP_MAIL": f"localhost:{port}"}
    command = [sys.executable, str(path), str(requests)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environ, timeout=PATIENCE_S)


def issues(folder: Path) -> list[dict[str, Any]]:
    """Return what `tocsin issues` tells of the one drop-in spool below a folder."""
    (spool,) = folder.glob("state/tocsin/*/handlers/*")
    command = [sys.executable, "-m", "tocsin.cli", "issues", "--spool", str(spool), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return [json.loads(line) for line in done.stdout.splitlines()]


# -- the shop as a script ------------------------------------------------------------------------------------------


def test_one_import_changed_and_the_mail_is_the_one_of_before(box: Mailbox, port: int, tmp_path: Path) -> None:
    """Subject, addresses and the beginning of the text are the standard handler's; the facts come after it."""
    with serving(box, port):
        run_shop(SHOP, port, 1)
        done = run_shop(write_shop(tmp_path), port, 1)
        standard, ours = box.wait(2)
    assert done.stderr == ""
    assert ours["Subject"] == standard["Subject"] == "Application Error"
    assert ours["From"] == standard["From"]
    assert [each.rcpt_tos for each in box.envelopes] == [["admin@example.org", "shop@example.org"]] * 2
    body = text_of(standard).rstrip().replace(str(SHOP), str(tmp_path / "shop.py"))
    assert body.startswith("Error at /pay\nTraceback (most recent call last):")
    assert text_of(ours).startswith(body)
    assert "Error at /pay" in text_of(ours, "html")
    assert re.search(r"^Error id +\w{6}-\w{4}$", text_of(ours), re.MULTILINE)
    assert "A new fault: once so far." in text_of(ours)


def test_a_thousand_equal_errors_are_one_mail_with_the_exact_count(box: Mailbox, port: int, tmp_path: Path) -> None:
    with serving(box, port):
        run_shop(write_shop(tmp_path), port, 1_000)
        (mail,) = box.mails
    assert "A new fault: 1,000 times so far." in text_of(mail)
    assert [issue["count"] for issue in issues(tmp_path)] == [1_000]


def test_dotted_path_in_a_dict_config(box: Mailbox, port: int, tmp_path: Path) -> None:
    """The shop configured by `dictConfig`, with the one dotted path changed."""
    source = SHOP.read_text(encoding="utf-8")
    begin, end = source.index("handler = SMTPHandler"), source.index("def pay")
    configured = (
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1, 'handlers': {'mail': {\n"
        "    'class': 'tocsin.handlers.SMTPHandler', 'level': 'ERROR', 'mailhost': (host, int(port)),\n"
        "    'fromaddr': 'errors@example.org', 'toaddrs': MANAGERS, 'subject': 'Application Error'}},\n"
        "    'loggers': {'shop': {'handlers': ['mail']}}})\n\n\n"
    )
    path = write_shop(tmp_path, (source[begin:end], configured))
    path.write_text(path.read_text(encoding="utf-8").replace("from tocsin.handlers import SMTPHandler\n", ""))
    with serving(box, port):
        run_shop(path, port, 3)
        (mail,) = box.mails
    assert mail["Subject"] == "Application Error"
    assert "A new fault: 3 times so far." in text_of(mail)


def test_what_a_process_could_not_deliver_goes_with_the_next_ones(box: Mailbox, port: int, tmp_path: Path) -> None:
    """The server is away while the first runs; `tocsin issues` knows of it all the while."""
    path = write_shop(tmp_path)
    done = run_shop(path, port, 5)
    assert f"nothing listens on localhost:{port}" in done.stderr
    assert [issue["count"] for issue in issues(tmp_path)] == [5]
    with serving(box, port):
        run_shop(path, port, 1)
        (mail,) = box.wait(1)
    assert mail["Subject"] == "Application Error"
    assert [issue["count"] for issue in issues(tmp_path)] == [6]


STORM = """
    import threading
    logger.error("in the parent")
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            threads = [threading.Thread(target=lambda: [answer() for _ in range(1_000)]) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            os._exit(0)
        children.append(child)
    [os.waitpid(child, 0) for child in children]
"""


def test_threads_of_forked_processes_are_counted_exactly(box: Mailbox, port: int, tmp_path: Path) -> None:
    """While the parent's own thread delivers, which the children have not."""
    path = write_shop(
        tmp_path, ("    for _ in range(int(sys.argv[1])):\n        ", "    def answer() -> None:\n        ")
    )
    with path.open("a") as shop:
        shop.write(STORM)
    with serving(box, port):
        run_shop(path, port, 0)
    assert sorted(issue["count"] for issue in issues(tmp_path)) == [1, 8_000]


def test_the_shop_where_gevent_has_patched(box: Mailbox, port: int, tmp_path: Path) -> None:
    """The delivering threads are native; the main thread's loop goes on whichever ends first."""
    pytest.importorskip("gevent", reason="no gevent; pip install gevent")
    path = write_shop(
        tmp_path, ("import logging\n", "from gevent import monkey\n\nmonkey.patch_all()\nimport logging\n")
    )
    with path.open("a") as shop:
        shop.write("    handler.flush()\n    import time\n\n    time.sleep(0.5)\n")
    with serving(box, port):
        run_shop(path, port, 30)
        (mail,) = box.wait(1)
    assert "A new fault: 30 times so far." in text_of(mail)


def test_several_handlers_and_setup_in_one_process(
    box: Mailbox, port: int, tmp_path: Path, logger: logging.Logger
) -> None:
    """Each destination has what passed its handler, and one occurrence has one error id everywhere."""
    logger.propagate = True
    reporter = tocsin.setup(
        application="shop", spool=str(tmp_path / "spool"), sinks=[{"type": "file", "path": str(tmp_path / "all.jsonl")}]
    )
    mail = handlers.SMTPHandler(("localhost", port), "shop@example.org", "ops@example.org", "Application Error")
    mail.setLevel(logging.ERROR)
    (udp_port,) = free_ports(1)
    with serving(box, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", udp_port))
        server.settimeout(PATIENCE_S)
        syslog = handlers.SysLogHandler(("127.0.0.1", udp_port))
        logger.addHandler(mail)
        logger.addHandler(syslog)
        logger.warning("a warning")
        logger.error("an error")
        assert reporter.flush(PATIENCE_S)
        mail.flush()
        messages = [server.recv(65_536).decode() for _ in range(2)]
        (told,) = box.wait(1)
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["message"] for line in lines] == ["a warning", "an error"]
    assert [line["error_id"] in message for line, message in zip(lines, messages, strict=True)] == [True, True]
    assert told["X-Error-Id"] == lines[1]["error_id"]
    spools = sorted(path.name.partition("-")[0] for path in (tmp_path / "spool" / "handlers").iterdir())
    assert spools == ["SMTPHandler", "SysLogHandler"]


# -- the shop on servers ---------------------------------------------------------------------------------------


def gunicorn(*options: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        program = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
        return [*program, *options, "shop:application"]

    return command


def uwsgi(port: int) -> list[str]:
    program = [str(Path(sys.executable).with_name("uwsgi")), "--http-socket", f"127.0.0.1:{port}", "--master"]
    return [*program, "--processes", "2", "--die-on-term", "--need-app", "--module", "shop:application"]


SERVERS = {"prefork": gunicorn(), "preload": gunicorn("--preload"), "uwsgi": uwsgi}


@contextmanager
def shop_served(command: Callable[[int], list[str]], folder: Path, mail_port: int) -> Iterator[int]:
    (port,) = free_ports(1)
    environ = {**os.environ, "SHOP_MAIL": f"localhost:{mail_port}", "PYTHONPATH": str(folder)}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command(port), cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE_S
        while ask(port, "/") != 200:
            if time.monotonic() > end or process.poll() is not None:
                pytest.fail((folder / "server.log").read_text(errors="replace"))
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)


def wait_for(text: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while text not in log.read_text(errors="replace") and time.monotonic() < end:
        time.sleep(0.05)
    assert text in log.read_text(errors="replace")


def ask(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("name", list(SERVERS))
def test_two_workers_and_a_mail_server_that_is_away_at_first(
    name: str, box: Mailbox, port: int, tmp_path: Path
) -> None:
    """Both workers count into one spool, one of them mails; nothing of what happened meanwhile is lost."""
    pytest.importorskip("gunicorn", reason="no gunicorn; pip install gunicorn")
    if name == "uwsgi" and not Path(sys.executable).with_name("uwsgi").exists():
        pytest.skip("no uWSGI; pip install uwsgi")
    # A record in the master binds the handler before any worker is forked.
    path = write_shop(tmp_path, ("def pay(", 'logger.error("starting")\n\n\ndef pay('))
    assert path.exists()
    with shop_served(SERVERS[name], tmp_path, port) as shop_port:
        assert {ask(shop_port, "/pay") for _ in range(1_000)} == {500}
        wait_for("nothing listens on localhost", tmp_path / "server.log")
        with serving(box, port):
            mails = box.wait(2)
    assert {mail["Subject"] for mail in mails} == {"Application Error"}
    told = [text_of(mail).partition("\n")[0] for mail in mails]
    assert sorted(told) == ["Error at /pay", "starting"]
    by_title = {issue["title"]: issue["count"] for issue in issues(tmp_path)}
    assert by_title.pop("KeyError") == 1_000
    assert len(by_title) == 1


# -- side by side: mails -----------------------------------------------------------------------------------------


class NamedHere(logging.handlers.SMTPHandler):
    def getSubject(self, record: logging.LogRecord) -> str:
        return f"[{record.levelname}] {self.subject}: {record.getMessage()}"


class NamedThere(handlers.SMTPHandler):
    getSubject = NamedHere.getSubject


MAILS: dict[str, dict[str, Any]] = {
    "one address": {"toaddrs": "one@example.org"},
    "addresses": {"toaddrs": ["one@example.org", "two@example.org"]},
    "names": {"fromaddr": "The Shop <shop@example.org>", "toaddrs": ["Ops <one@example.org>"]},
    "subject by record": {"is_named": True},
    "formatter": {"format": "%(levelname)s | %(name)s | %(message)s"},
    "exception": {"has_exception": True},
    "text beyond ASCII": {"subject": "Fehler in der Kasse – ☃", "message": "Größe: %s"},
}


@pytest.mark.parametrize("case", list(MAILS))
def test_mail_has_the_subject_text_and_recipients_of_the_standard_handler(
    case: str, box: Mailbox, port: int, logger: logging.Logger
) -> None:
    options = dict(MAILS[case])
    is_named, layout = options.pop("is_named", False), options.pop("format", None)
    has_exception, message = options.pop("has_exception", False), options.pop("message", "no rate for %s")
    arguments = {"fromaddr": "shop@example.org", "toaddrs": "ops@example.org", "subject": "Application Error"} | options
    with serving(box, port):
        for cls in (NamedHere, NamedThere) if is_named else (logging.handlers.SMTPHandler, handlers.SMTPHandler):
            handler = cls(("localhost", port), **arguments)
            if layout:
                handler.setFormatter(logging.Formatter(layout))
            logger.handlers[:] = [handler]
            try:
                {}["CHF"]
            except KeyError:
                logger.error(message, "CHF", exc_info=has_exception)
            handler.flush()
        standard, ours = box.wait(2)
    assert ours["Subject"] == standard["Subject"]
    assert ours["From"] == standard["From"]
    assert box.envelopes[0].rcpt_tos == box.envelopes[1].rcpt_tos
    assert box.envelopes[0].mail_from == box.envelopes[1].mail_from
    assert text_of(ours).startswith(text_of(standard).rstrip())


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"bot", b"s3cret"))


@pytest.mark.filterwarnings("ignore:keyfile and certfile are deprecated:DeprecationWarning")  # the standard one's own
@pytest.mark.parametrize("secure", [(), ("key", "cert")])
def test_credentials_and_secure(
    secure: tuple[str, ...], box: Mailbox, port: int, logger: logging.Logger, certs: Certs
) -> None:
    """STARTTLS, then a login; with the forms of the tuple that the standard handler takes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.key)
    files = tuple(str(certs.key if name == "key" else certs.server) for name in secure)
    settings = {"tls_context": context, "require_starttls": True, "authenticator": authenticate, "auth_required": True}
    arguments = (("localhost", port), "shop@example.org", "ops@example.org", "S", ("bot", "s3cret"), files)
    with serving(box, port, **settings):
        for handler in (
            logging.handlers.SMTPHandler(*arguments),
            handlers.SMTPHandler(*arguments, ca_file=str(certs.ca)),
        ):
            logger.handlers[:] = [handler]
            logger.error("it broke")
            handler.flush()
        standard, ours = box.wait(2)
    assert ours["Subject"] == standard["Subject"]


def test_secure_without_credentials_is_secured(box: Mailbox, port: int, logger: logging.Logger, certs: Certs) -> None:
    """The standard handler sends in clear then, and says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server, certs.key)
    with serving(box, port, tls_context=context, require_starttls=True):
        handler = handlers.SMTPHandler(
            ("localhost", port), "shop@example.org", "ops@example.org", "S", secure=(), ca_file=str(certs.ca)
        )
        logger.addHandler(handler)
        logger.error("it broke")
        handler.flush()
        assert len(box.wait(1)) == 1


def test_newline_in_the_subject_loses_no_mail(box: Mailbox, port: int, logger: logging.Logger) -> None:
    """The standard handler loses it."""
    with serving(box, port):
        handler = NamedThere(("localhost", port), "shop@example.org", "ops@example.org", "S")
        logger.addHandler(handler)
        logger.error("first\nBcc: eve@example.org")
        handler.flush()
        (mail,) = box.wait(1)
    assert mail["Subject"] == "[ERROR] S: first\\nBcc: [masked: e-mail address]"
    assert mail["Bcc"] is None


# -- side by side: syslog ----------------------------------------------------------------------------------------


def test_syslog_message_has_the_priority_and_text_of_the_standard_handler(port: int, logger: logging.Logger) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        server.settimeout(PATIENCE_S)
        received = []
        for cls in (logging.handlers.SysLogHandler, handlers.SysLogHandler):
            handler = cls(("127.0.0.1", port), "local3")
            handler.ident = "shop[7]: "
            logger.handlers[:] = [handler]
            logger.critical("no rate for %s", "CHF")
            handler.flush()
            received.append(server.recv(65_536).decode())
            handler.close()
    standard, ours = received
    assert standard == "<154>shop[7]: no rate for CHF\0"
    assert ours.startswith("<154>1 ")
    assert ours.endswith("] shop[7]: no rate for CHF")


@pytest.mark.parametrize("way", ["udp", "tcp", "unix"])
def test_rsyslog_parses_what_was_meant(way: str, tmp_path: Path, certs: Certs, logger: logging.Logger) -> None:
    """Host, application, text and count; the standard handler's text it takes apart wrongly."""
    daemon = Daemon(RSYSLOG, tmp_path, certs)
    daemon.start()
    try:
        address = str(daemon.path) if way == "unix" else ("127.0.0.1", daemon.port)
        socktype = socket.SOCK_STREAM if way == "tcp" else None
        handler = handlers.SysLogHandler(address, "local0", socktype, application="shop")
        logger.addHandler(handler)
        for number in range(20):
            logger.warning("no rate for %s: %d\nsecond line", "CHF", number)
        handler.flush()
        parsed = daemon.parsed(6)
    finally:
        daemon.stop()
    assert {(line["pri"], line["app-name"]) for line in parsed} == {("132", "shop")}
    assert parsed[0]["msg"].lstrip("\ufeff") == "no rate for CHF: 0\\nsecond line"
    assert sum(int(line["sd"]["occurrences"]) for line in parsed) == 20


# -- side by side: sockets and HTTP ------------------------------------------------------------------------------


def test_socket_handler_sends_lines_to_tocsin_receive(port: int, tmp_path: Path, logger: logging.Logger) -> None:
    out = tmp_path / "received.jsonl"
    command = [sys.executable, "-m", "tocsin.cli", "receive", "--listen", f"tcp://127.0.0.1:{port}"]
    command += ["--spool", str(tmp_path / "received"), "--to", f"file:{out}"]
    with (tmp_path / "receive.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        handler = handlers.SocketHandler("127.0.0.1", port)
        logger.addHandler(handler)
        logger.error("password=%s in %s", "hunter2", "/pay")
        end = time.monotonic() + PATIENCE_S
        while not (out.exists() and out.read_bytes()) and time.monotonic() < end and process.poll() is None:
            handler.flush()
        assert out.exists(), (tmp_path / "receive.log").read_text(errors="replace")
        (line,) = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    assert line["prepared"]["text"] == "password=[masked: password] in /pay"
    assert line["logger"] == "shop"


def test_socket_handler_sends_lines_to_whatever_reads_lines(tmp_path: Path, logger: logging.Logger) -> None:
    """By a Unix socket; never a pickle."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(PATIENCE_S)
        handler = handlers.SocketHandler(path, None, acknowledge=False)
        logger.addHandler(handler)
        logger.error("it %s", "broke")
        connection, _ = server.accept()
        with connection:
            line = json.loads(connection.makefile("rb").readline())
    assert (line["message"], line["template"]) == ("it broke", "it %s")


def test_datagram_handler_sends_one_line_a_datagram(port: int, logger: logging.Logger) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        server.settimeout(PATIENCE_S)
        handler = handlers.DatagramHandler("127.0.0.1", port)
        logger.addHandler(handler)
        logger.error("it %s", "broke")
        line = json.loads(server.recv(65_536))
    assert line["message"] == "it broke"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_http_handler_sends_the_form_of_the_standard_handler(method: str, logger: logging.Logger) -> None:
    """Every parameter of before is there, and has its value but for those of objects."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from urllib.parse import parse_qs, urlsplit

    pytest.importorskip("urllib3", reason="no urllib3; pip install 'urllib3>=2.2'")
    forms: list[dict[str, list[str]]] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.take(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self.take(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def take(self, text: str) -> None:
            forms.append(parse_qs(text, keep_blank_values=True))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        record = logging.LogRecord("shop", logging.ERROR, "/shop/views.py", 7, "no rate for %s", ("CHF",), None, "pay")
        for cls in (logging.handlers.HTTPHandler, handlers.HTTPHandler):
            handler = cls(f"127.0.0.1:{server.server_port}", "/log", method)
            handler.handle(logging.makeLogRecord(record.__dict__))
            handler.flush()
        server.shutdown()
        thread.join()
    standard, ours = forms
    changed = {"args"}
    assert {name: ours.get(name) for name in standard if name not in changed} == {
        name: value if value != ["None"] or name != "exc_info" else [""]
        for name, value in standard.items()
        if name not in changed
    }
    assert ours["message"] == ["no rate for CHF"]
    assert ours["tocsin_occurrences"] == ["1"]
