"""200 secrets of 40 sorts, and 20 of four that nothing masks by default: a seed goes in, made-up `Secret`s leave."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import made_up
from search import parts_of

__all__ = ["EACH", "SORTS", "Secret", "Sort", "secrets"]

EACH: Final = 5
By = Literal["name", "shape", "phrase"]


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret: what holds it is called ``name`` and holds ``held``; a sentence tells it as ``said``.

    ``parts`` are what must not leave. ``by`` says what gives it away: the name beside it, its own shape, or the words
    around it.
    """

    sort: str
    number: int
    by: By
    name: str
    held: str
    said: str
    parts: tuple[str, ...]
    is_harmless: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort: what makes one of it, and whether it is masked unless something is switched on."""

    name: str
    by: By
    make: Callable[[random.Random, int], tuple[str, str, str, str]]  # (name, held, said, what is secret in it)
    is_on: bool = True


def secrets(seed: str = "tocsin", each: int = EACH) -> list[Secret]:
    """Return ``each`` secrets of every sort, the same ones for the same seed."""
    found = []
    for sort in SORTS:
        chance = random.Random(f"{seed} {sort.name}")
        for number in range(each):
            name, held, said, core = sort.make(chance, number)
            found.append(Secret(sort.name, number, sort.by, name, held, said, parts_of(core)))
    return found


def _named(*names: str) -> Callable[[random.Random, int, str], tuple[str, str, str, str]]:
    """Return what tells a value by one of these names, in one of the ways in which texts assign."""

    def tell(chance: random.Random, number: int, held: str) -> tuple[str, str, str, str]:
        name = names[number % len(names)]
        said = (
            f"{name}={held}",
            f"{name}: {held}",
            f"{name} = {held!r}",
            f'"{name}": {json.dumps(held)}',
            f"{name}={held}",
        )[number % 5]
        return name, held, said, held

    return tell


def _simple(*names: str, make: Callable[[random.Random, int], str]) -> Callable[..., tuple[str, str, str, str]]:
    tell = _named(*names)
    return lambda chance, number: tell(chance, number, make(chance, number))


def _bare(make: Callable[[random.Random, int], str], name: str = "detail") -> Callable[..., tuple[str, str, str, str]]:
    """Return what tells a value without any name."""

    def tell(chance: random.Random, number: int) -> tuple[str, str, str, str]:
        held = make(chance, number)
        return name, held, held, held

    return tell


def _phrase(
    make: Callable[[random.Random, int], tuple[str, str]], name: str = "detail"
) -> Callable[..., tuple[str, str, str, str]]:
    """Return what tells a text and the secret in it."""

    def tell(chance: random.Random, number: int) -> tuple[str, str, str, str]:
        text, core = make(chance, number)
        return name, text, text, core

    return tell


# -- the sorts ---------------------------------------------------------------------------------------------


_AUTHORIZATION: Final = ("Authorization", "Proxy-Authorization", "authorization", "HTTP_AUTHORIZATION", "Authorization")
_SECRET_NAMES: Final = ("client_secret", "SECRET_KEY", "refresh_token", "webhook_secret", "signing_key")


def _header(
    names: tuple[str, ...], make: Callable[[random.Random], tuple[str, str]]
) -> Callable[..., tuple[str, str, str, str]]:
    def tell(chance: random.Random, number: int) -> tuple[str, str, str, str]:
        held, core = make(chance)
        name = names[number % len(names)]
        return name, held, f"{name}: {held}", core

    return tell


SORTS: Final = (
    Sort(
        "password",
        "name",
        _simple("password", "password", "user_password", "newPassword", "password1", make=made_up.password),
    ),
    Sort(
        "password, other names",
        "name",
        _simple("passwd", "db_pw", "pwd", "passphrase", "DB_PASS", make=made_up.password),
    ),
    Sort(
        "session id",
        "name",
        _simple("sessionid", "PHPSESSID", "connect.sid", "session", "session_id", make=made_up.opaque),
    ),
    Sort("cookie header", "name", _header(("Cookie", "Set-Cookie", "cookie", "HTTP_COOKIE", "Cookie"), made_up.cookie)),
    Sort("Authorization: Bearer", "shape", _header(_AUTHORIZATION, made_up.bearer)),
    Sort("Authorization: Basic", "shape", _header(_AUTHORIZATION, made_up.basic)),
    Sort("Authorization: Digest", "name", _header(_AUTHORIZATION, made_up.digest)),
    Sort("Authorization: AWS4-HMAC", "name", _header(_AUTHORIZATION, made_up.aws_signed)),
    Sort("Authorization: other schemes", "name", _header(_AUTHORIZATION, made_up.other_scheme)),
    Sort("Negotiate ticket", "shape", _phrase(made_up.negotiate)),
    Sort("API key", "name", _simple("api_key", "X-Api-Key", "apiKey", "STRIPE_KEY", "access_key", make=made_up.opaque)),
    Sort("client or signing secret", "name", _simple(*_SECRET_NAMES, make=made_up.opaque)),
    Sort("AWS key", "shape", _phrase(made_up.aws)),
    Sort("Google key", "shape", _bare(made_up.gcp)),
    Sort("service account file", "shape", _phrase(made_up.gcp_account)),
    Sort("Azure SAS", "phrase", _phrase(made_up.azure_sas)),
    Sort("Azure account key", "phrase", _phrase(made_up.azure_account)),
    Sort("payment key", "shape", _bare(made_up.payment)),
    Sort("private key, PEM", "shape", _phrase(made_up.private_key("RSA PRIVATE KEY", 200))),
    Sort("private key, OpenSSH", "shape", _phrase(made_up.private_key("OPENSSH PRIVATE KEY", 150))),
    Sort("JSON web token", "shape", _phrase(made_up.jwt)),
    Sort("URL with user", "shape", _phrase(made_up.web_url)),
    Sort("database URL", "shape", _phrase(made_up.database_url)),
    Sort("connection string", "phrase", _phrase(made_up.dsn)),
    Sort("card number", "shape", _phrase(made_up.card_number)),
    Sort("e-mail address", "shape", _phrase(made_up.email)),
    Sort("forge token", "shape", _bare(made_up.forge)),
    Sort("Slack token", "shape", _bare(made_up.slack)),
    Sort("package registry token", "shape", _bare(made_up.registry)),
    Sort("webhook URL", "shape", _phrase(made_up.webhook)),
    Sort("mail or model service key", "shape", _bare(made_up.service)),
    Sort("TOTP seed", "phrase", _phrase(made_up.totp)),
    Sort(
        "CSRF token",
        "name",
        _simple("csrfmiddlewaretoken", "_csrf", "X-CSRFToken", "xsrf", "csrf-token", make=made_up.opaque),
    ),
    Sort("PostgreSQL row", "phrase", _phrase(made_up.postgres_row)),
    Sort("MySQL row, SQL parameters", "phrase", _phrase(made_up.other_row)),
    Sort(
        "bcrypt hash by name",
        "name",
        _simple("password_hash", "passwd", "password", "pwd", "auth_hash", make=made_up.bcrypt),
    ),
    Sort("command line", "phrase", _phrase(made_up.command)),
    Sort("token in a URL's query", "phrase", _phrase(made_up.query_token)),
    Sort("SQL that sets a password", "phrase", _phrase(made_up.sql_user)),
    Sort("told in prose", "phrase", _phrase(made_up.prose)),
    # -- what only `mask_keys` or `before_spool` keep back: counted apart
    Sort("IBAN", "shape", _bare(made_up.iban), is_on=False),
    Sort("htpasswd line", "shape", _phrase(made_up.htpasswd), is_on=False),
    Sort("OAuth code", "phrase", _phrase(made_up.oauth_code), is_on=False),
    Sort("telephone number", "shape", _bare(made_up.phone), is_on=False),
)
