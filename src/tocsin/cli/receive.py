"""`tocsin receive`: lines of other hosts' socket sinks go in; they are stored, acknowledged, shown and passed on."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tocsin.cli.arrivals import Arrivals
from tocsin.cli.command import Command, with_place
from tocsin.cli.console import Console
from tocsin.cli.deliver import stopped_by_signals
from tocsin.cli.destinations import build_sinks, stand_in_tables
from tocsin.cli.place import load_settings, settings_place
from tocsin.cli.rooms import Rooms
from tocsin.config.load import CONFIG_VARIABLE, load
from tocsin.config.settings import Settings
from tocsin.event import limits
from tocsin.event.errors import ConfigError
from tocsin.receiver.inbox import Inbox
from tocsin.receiver.listen import Listen, TlsFiles, listen_of
from tocsin.receiver.server import Server
from tocsin.spool.folder import Folder

__all__ = ["COMMAND"]

_STEP_PAUSE_S: Final = 0.0005
_GRACE_S: Final = 1.5
_FILES: Final = 4_096  # each application has about ten open, each connection one


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", metavar="URL", action="append", help="tcp://, tls://, udp:// host:port or unix:///path; repeatable"
    )
    parser.add_argument(
        "--to", metavar="URL", action="append", help="a sink for all that arrives, as a URL in `sinks`; repeatable"
    )
    parser.add_argument(
        "--show", action="store_true", help="show a line of each; the default where no sink is configured"
    )
    parser.add_argument("--cert", metavar="PEM", help="for tls: the file of this host's certificate")
    parser.add_argument("--key", metavar="PEM", help="its key; left out: it is in --cert")
    parser.add_argument("--client-ca", metavar="PEM", help="senders need a certificate of this authority")
    parser.add_argument("--token-file", metavar="F", help="senders need the token in this file")
    with_place(parser)


def _run(options: argparse.Namespace, console: Console) -> int:
    if not hasattr(os, "pwrite"):
        raise ConfigError("tocsin receive needs a POSIX system such as Linux; on this one it can't store what comes")
    listens = _listens(options)
    files, token = _files(options, listens), _token(options, listens)
    settings = _settings(options, console)
    sinks = build_sinks(settings)
    _raise_file_limit()
    folder = Folder(settings_place(settings, console.environ).path)
    folder.require_founder()
    arrivals = Arrivals(console, is_shown=options.show or not sinks)
    inbox = Inbox(
        folder,
        sinks=[sink.identity for sink in sinks],
        max_bytes=int(settings.spool_max_mb * 1_048_576),
        told=arrivals.add,
    )
    with stopped_by_signals() as is_stopping:
        inbox.open()
        server = Server(inbox, listens, files, token)
        rooms = Rooms(inbox, settings)
        try:
            where = server.start()
            _say_start(where, [sink.identity for sink in sinks], folder, listens, console)
            _work(server, inbox, rooms, arrivals, is_stopping)
        finally:
            server.stop()
            arrivals.show()
            rooms.finish(_GRACE_S)
            inbox.close()
    not_taken = "".join(f", {number:,} not taken ({code})" for code, number in sorted(server.faults.items()))
    console.say(f"stopped; {inbox.stored:,} stored, {inbox.repeated:,} were there already{not_taken}")
    return 0


def _work(server: Server, inbox: Inbox, rooms: Rooms, arrivals: Arrivals, is_stopping: Callable[[], bool]) -> None:
    while not is_stopping():
        arrivals.woken.clear()
        worked = rooms.step()
        arrivals.show()
        server.tend()
        inbox.tend()
        arrivals.woken.wait(_STEP_PAUSE_S if worked else limits.LEADER_POLL_S)


def _listens(options: argparse.Namespace) -> list[Listen]:
    if not options.listen:
        raise ConfigError("--listen is missing, such as tls://0.0.0.0:9797; see tocsin receive --help")
    listens: list[Listen] = []
    faults: list[str] = []
    for url in options.listen:
        try:
            listens.append(listen_of(url))
        except ConfigError as fault:
            faults += fault.faults
    if faults:
        raise ConfigError(faults)
    return listens


def _files(options: argparse.Namespace, listens: list[Listen]) -> TlsFiles | None:
    has_tls = any(listen.transport == "tls" for listen in listens)
    if has_tls and not options.cert:
        raise ConfigError("tls needs --cert FILE, and --key FILE where the key is in a file of its own")
    if not has_tls and (options.cert or options.key or options.client_ca):
        raise ConfigError("--cert, --key and --client-ca are for --listen tls://…")
    return TlsFiles(options.cert, options.key or "", options.client_ca or "") if has_tls else None


def _token(options: argparse.Namespace, listens: list[Listen]) -> str:
    if options.token_file is None:
        return ""
    for listen in listens:
        if listen.transport == "udp" or (listen.transport == "tcp" and listen.is_open_to_others):
            raise ConfigError(f"{listen.where} can't ask for a token: it would travel in clear; use tls")
    try:
        token = Path(options.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"--token-file can't be read: {getattr(fault, 'strerror', fault)}") from None
    if not token:
        raise ConfigError("--token-file is empty")
    return token


def _settings(options: argparse.Namespace, console: Console) -> Settings:
    overrides: dict[str, Any] = {} if options.spool is None else {"spool": str(Path(options.spool).absolute())}
    if options.config is not None or console.environ.get(CONFIG_VARIABLE):
        settings = load_settings(options, console.environ, **overrides)
    else:
        settings = load({"application": "tocsin-receive", **overrides}, {}, {})
    if options.to:
        settings = replace(settings, sinks=(*settings.sinks, *stand_in_tables(options.to, "--to")))
    return settings


def _raise_file_limit() -> None:
    try:
        import resource  # not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say_start(where: list[str], sinks: list[str], folder: Folder, listens: list[Listen], console: Console) -> None:
    for each in where:
        console.say(f"listening on {each}")
    for each in sinks:
        console.say(f"to           {each}")
    console.say(f"spool        {folder.path}; receiving as pid {os.getpid()}")
    console.flush()
    if any(listen.is_open_to_others and listen.transport != "tls" for listen in listens):
        console.note("without tls anyone on the network can read and send what goes there")


COMMAND: Final = Command(
    name="receive",
    summary="be the other end of socket sinks",
    description=(
        "Take the events of other hosts' socket sinks. They are on this host's disk before they are acknowledged; each "
        "application and environment has a spool of its own below the spool's folder, delivered from by this process "
        "to the sinks of the configuration and of --to."
    ),
    exits="0 stopped, 1 it can't listen or store",
    examples=(
        "tocsin receive --listen tcp://127.0.0.1:9797 --spool DIR",
        "tocsin receive --listen tls://0.0.0.0:9797 --cert c.pem --config t.toml",
        "tocsin receive --listen unix:///run/e.sock --to file:all.jsonl",
    ),
    add_options=_add_options,
    run=_run,
)
