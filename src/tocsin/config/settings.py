"""The one table of settings, and `Settings`, the values that leave it: what every other floor is configured by."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from tocsin.config.fingerprint_rules import fingerprint_function, fingerprint_rules
from tocsin.config.masking_rules import masking_rules
from tocsin.config.setting import Setting, between, boolean, choice, pairs, positive, size_mb, texts
from tocsin.config.sink_table import SinkTable
from tocsin.config.values import (
    commit,
    hooks,
    level,
    logger_levels,
    name,
    one_line,
    page,
    path,
    sink_list,
    state_url,
    statuses,
)
from tocsin.event.identity.own_rules import FingerprintRule
from tocsin.event.limits import KEEP_DAYS, LEAD_UP, SPOOL_BYTES
from tocsin.event.masking.own_rules import MaskingRule
from tocsin.provenance.forge import parse_commit_url, parse_source_url

__all__ = ["SETTINGS", "Settings", "SinkTable"]

SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "application",
        name,
        "",
        "the application's name, in every event, subject and path; in the modes debug and off it may be left "
        'out ("app")',
        is_required=True,
    ),
    Setting("environment", one_line, "production", "where it runs, such as production or staging"),
    Setting(
        "release",
        one_line,
        "",
        "which version runs: a tag, a build number; left out, the first 12 digits of the commit",
    ),
    Setting(
        "commit",
        commit,
        "",
        "which commit runs, in hexadecimal digits; left out, what a build stamp, `.git` or the platform says",
    ),
    Setting(
        "source_url",
        parse_source_url,
        "",
        "where a line of the source is seen: a URL with `{commit}`, `{path}` and `{line}` (`{end_line}`, `{release}`); "
        "`auto`, `github`, `gitlab`, `gitea`, `forgejo` or `bitbucket` make it of where the repository came from; "
        "left out, reports have no links",
        type_name="URL, auto or a forge",
    ),
    Setting(
        "commit_url",
        parse_commit_url,
        "",
        "where a commit is seen: a URL with `{commit}`; left out, by the forge that `source_url` names",
        type_name="URL",
    ),
    Setting(
        "source_root",
        path,
        "",
        "the folder that `{path}` starts at; left out, that of the build stamp or of `.git`",
        type_name="path",
    ),
    Setting(
        "blame",
        boolean,
        True,
        "whether git is asked which commit brought the line that failed, where no build stamp says it; only by the "
        "process that delivers, for two seconds at most",
        type_name="boolean",
    ),
    Setting(
        "mode",
        choice("production", "debug", "off"),
        "production",
        "`production` delivers to the sinks; `debug` shows everything on stderr, mails nothing and catches "
        "nothing; `off` does nothing",
        type_name="production, debug or off",
    ),
    Setting(
        "sinks",
        sink_list,
        (),
        "where reports go: one `[[sinks]]` table each, or URLs. May hold passwords, so it is never quoted in a fault",
        type_name="list of tables or URLs",
        is_secret=True,
    ),
    Setting(
        "level",
        level,
        logging.WARNING,
        "records from this level on come in through the handler on the root logger",
        type_name="level",
    ),
    Setting(
        "loggers",
        logger_levels,
        MappingProxyType({}),
        "other levels for single loggers and what is below them",
        type_name="table of levels",
    ),
    Setting(
        "ignore",
        texts,
        (),
        "what is not reported: an exception class by its dotted path, subclasses included "
        "(`werkzeug.exceptions.NotFound`, `KeyError`), or a logger and what is below it (`noisy.logger`)",
        type_name="list",
    ),
    Setting(
        "app_modules",
        texts,
        (),
        "modules that count as the application's own although they are installed like a library",
        type_name="list",
    ),
    Setting(
        "warning_statuses",
        statuses,
        (400,),
        "answers with these statuses are warnings",
        type_name="list of statuses",
    ),
    Setting(
        "error_statuses",
        statuses,
        (500,),
        "answers with these statuses are errors, unless the request reported one already",
        type_name="list of statuses",
    ),
    Setting(
        "error_page",
        page,
        "",
        "what to answer with instead of the built-in 500 page: an HTML file; HTML itself; in code also a callable "
        "`(error_id, accept)` that returns text, bytes or `(content_type, body)`",
        type_name="path, HTML or callable",
    ),
    Setting(
        "request_headers",
        texts,
        (),
        "request headers to report besides the harmless ones; those that carry secrets stay masked",
        type_name="list",
    ),
    Setting(
        "client_address",
        choice("off", "truncated", "hashed", "full", "none"),
        "off",
        "how a report names the client; `none` leaves out the hash too by which distinct clients are counted",
        type_name="off, truncated, hashed, full or none",
    ),
    Setting(
        "trust_proxy_headers",
        boolean,
        False,
        "whether the client's address is taken from Forwarded, X-Forwarded-For and the like; only behind a proxy "
        "that sets them",
        type_name="boolean",
    ),
    Setting(
        "locals",
        boolean,
        False,
        "whether a report shows the local variables of the application's own frames; values of built-in types only, "
        "masked",
        type_name="boolean",
    ),
    Setting(
        "user_id",
        choice("off", "hashed", "full"),
        "off",
        "how a report names the user who was logged in",
        type_name="off, hashed or full",
    ),
    Setting(
        "tags",
        pairs,
        MappingProxyType({}),
        'short texts that go with every report, such as `{ region = "eu" }`',
        type_name="table of texts",
    ),
    Setting(
        "lead_up",
        between(0, LEAD_UP),
        20,
        "how many of the last log records of the same request or task travel with a report, those below `level` too as "
        "far as their loggers let them pass; 0 for none",
        unit="records",
        type_name="whole number",
    ),
    Setting(
        "masking",
        boolean,
        True,
        "whether secrets are masked; only tests, which look for what masking keeps back, turn it off",
        type_name="boolean",
    ),
    Setting(
        "mask_keys",
        texts,
        (),
        "more names whose values are masked, besides password, token and the like; a part of the name is enough",
        type_name="list",
    ),
    Setting(
        "masking_rules",
        masking_rules,
        (),
        "rules of masking besides the built-in ones, one `[[masking_rules]]` table each: a `name` that the masks show, "
        "with a `pattern` (a regular expression) or `keys` (names as in `mask_keys`); or `keep`, names that are "
        "harmless in this application",
        type_name="list of tables",
    ),
    Setting(
        "fingerprint",
        fingerprint_function,
        "",
        "what names a fault, where the usual rules join or split what they should not: a callable `(event) -> str | "
        "None`, in code or by its path, such as `shop.errors:name`; None for the usual rules",
        type_name="path or callable",
    ),
    Setting(
        "fingerprints",
        fingerprint_rules,
        (),
        "rules that name faults, one `[[fingerprints]]` table each, of which the first that fits counts: texts that "
        "`type`, `module`, `function`, `message` (regular expressions), `logger`, `route`, `endpoint`, `task` and "
        '`kind` must fit, and `fingerprint`, a text such as `"payment {route}"`, or `by`, a list such as '
        '`["type", "route"]`',
        type_name="list of tables",
    ),
    Setting(
        "spool",
        path,
        "",
        "the spool's folder; left out, it is found by the rules below",
        type_name="path",
    ),
    Setting(
        "spool_max_mb",
        size_mb,
        SPOOL_BYTES // 1_048_576,
        "past this the oldest events go, delivered ones first; until there is room, new ones are only counted",
        unit="MB",
        type_name="number",
    ),
    Setting(
        "state",
        state_url,
        "",
        "a PostgreSQL database in which several hosts share issues, episodes, mutes and caps, such as "
        "`postgresql://tocsin@db.example.org/errors` (extra `db`); left out, each spool has its own file. May hold a "
        "password, so it is never quoted in a fault",
        type_name="URL",
        is_secret=True,
    ),
    Setting(
        "keep_days",
        positive,
        KEEP_DAYS,
        "how long events stay readable for `tocsin show`; what is still undelivered then is given up, and counted",
        unit="days",
        type_name="whole number",
    ),
    Setting(
        "fsync",
        boolean,
        False,
        "whether each event is forced to the disk, so that it survives a power cut as well as a kill",
        type_name="boolean",
    ),
    Setting(
        "deaths",
        boolean,
        False,
        "whether processes that die without a traceback are reported (a segmentation fault, SIGKILL, out of memory), "
        "with the request they were in; costs two small writes a request",
        type_name="boolean",
    ),
    Setting(
        "delivery",
        choice("thread", "process", "inline"),
        "thread",
        "`thread`: one of the workers delivers; `process`: all is left to `tocsin deliver`; `inline`: a report returns "
        "when it is delivered, for functions of a cloud and short scripts",
        type_name="thread, process or inline",
    ),
    Setting(
        "hooks",
        hooks,
        (),
        "which hooks of the interpreter report what nobody caught: `sys` (it ends the script), `threading` (it ends a "
        "thread), `unraisable` (in a finalizer, say); true for all",
        type_name="list of sys, threading, unraisable; or true",
    ),
    Setting(
        "debugger",
        boolean,
        False,
        "whether debug mode offers Werkzeug's interactive debugger on this machine; refused in production",
        type_name="boolean",
    ),
    Setting("host", one_line, "", "this machine's name in reports; left out, what the system says"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold the effective value of every setting, by the names of `SETTINGS`.

    Two are equal when every value is; ``sources`` (setting → where its value came from: ``default``, the file,
    the variable, ``keyword`` or ``mapping``) does not count. Levels are logging's numbers, paths absolute or
    ``""``.
    """

    application: str
    environment: str
    release: str
    commit: str
    source_url: str
    commit_url: str
    source_root: str
    blame: bool
    mode: Literal["production", "debug", "off"]
    sinks: tuple[SinkTable, ...]
    level: int
    loggers: Mapping[str, int]
    ignore: tuple[str, ...]
    app_modules: tuple[str, ...]
    warning_statuses: tuple[int, ...]
    error_statuses: tuple[int, ...]
    error_page: Any
    request_headers: tuple[str, ...]
    client_address: Literal["off", "truncated", "hashed", "full", "none"]
    trust_proxy_headers: bool
    user_id: Literal["off", "hashed", "full"]
    tags: Mapping[str, str]
    lead_up: int
    locals: bool
    masking: bool
    mask_keys: tuple[str, ...]
    masking_rules: tuple[MaskingRule, ...]
    fingerprint: Any
    fingerprints: tuple[FingerprintRule, ...]
    spool: str
    spool_max_mb: float
    state: str = field(repr=False)
    keep_days: int
    fsync: bool
    deaths: bool
    delivery: Literal["thread", "process", "inline"]
    hooks: tuple[str, ...]
    debugger: bool
    host: str
    sources: Mapping[str, str] = field(compare=False)
