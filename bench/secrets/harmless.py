"""1,000 ordinary values of 25 sorts, as applications report them: a seed goes in, `Harmless` values leave.

None is a secret, and none may be masked. Settings and ordinary keys, whose names hold a sensitive word,
are a sort of their own.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["EACH", "SORTS", "Harmless", "harmless"]

EACH: Final = 40
CODE: Final = "code that names secrets"  # in source lines only
_LEAST_CHARS: Final = 4

_WORDS: Final = (
    "order", "invoice", "customer", "basket", "shipping", "parcel", "warehouse", "delivery", "refund", "voucher",
    "price", "currency", "discount", "supplier", "catalogue", "monkey", "keyboard", "passenger", "compass",
    "author", "tokenizer", "keynote", "passage", "bypass", "hockey", "whiskey", "turnkey", "donkey", "authority",
    "passive", "compassion", "secretary", "capital", "rapid", "therapist", "surpass", "passion", "keystone",
    "capitol", "cookies", "sessions", "apiary", "jersey", "kidney", "journey", "signature-dish", "assignment",
    "designer",
)  # fmt: skip
_TELLING: Final = (
    "token expired", "password required", "the session has ended", "no such key", "API key is missing", "bad signature",
    "invalid password", "wrong credentials", "password too short", "cookie not set", "the token was revoked",
    "authentication failed", "permission denied", "user is not authorized", "unexpected token '}' in line 3",
    "password: required", "session: expired", "the secret is missing", "a private room", "press any key",
    "the password must have 12 characters", "csrf check failed", "token mismatch", "pass 3 of 7 done",
    "tests pass: 12, failed: 0", "key not found in cache", "the api is down", "auth service timed out after 30 s",
    "Basic authentication is not allowed", "bearer of bad news", "tokens used: 812", "next token is a comma",
    "credentials were refreshed", "signature does not match", "keyboard interrupt", "secret santa list is empty",
    "cannot pass None here", "api: connection refused", "key error in mapping", "a compass points north",
)  # fmt: skip
_NAMES: Final = (
    "passenger", "keyboard", "monkey", "tokenizer", "author", "compass", "passage", "authority", "token_count",
    "session_timeout", "keynote", "bypass", "secretary", "capital", "passed", "hockey", "turnkey", "max_tokens_count",
    "password_length", "key_type",
)  # fmt: skip
_STRICT: Final = (
    "primary_key",
    "cache_key",
    "api_version",
    "public_key",
    "auth_method",
    "sort_key",
    "max_tokens",
    "api_url",
)
_SETTINGS: Final = (
    "token_url=https://id.example.org/oauth", "auth_backend=ldap", "cookie_name=shop", "session_timeout=1800",
    "max_tokens=4096", "api_version=2026-11", "password_min_length=12", "key_type=rsa", "csrf_enabled=true",
    "cache_key=basket", "primary_key=order_id", "token_count=17", "auth_method=ldap", "private=false",
    "sort_key=created", "key=order", "api_url=https://api.example.org/v2", "session_engine=cache",
    "password_expired=false", "routing_key=orders.created",
)  # fmt: skip
_CODE: Final = (
    "token = get_token()", "password = form['password']", "key = row[0]", "if token == expected: pass",
    "session = Session(bind=engine)", "api = Api(app)", "auth = load_auth(settings)", "for key in keys: send(key)",
    "secret = os.environ['SECRET']", "cookies = request.cookies", "token: str | None = None", "key = 'order'",
    "user.check_password(password)", "return jwt.decode(token, key)", "credentials = None", "pwd = Path.cwd()",
    "client = connect(host, user)", "passes = 0", "author = 'Ada Lovelace'", "sort_key = 'created'",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Harmless:
    """One value: like a `Secret`, but there is nothing to hide."""

    sort: str
    by: str
    name: str
    held: str
    said: str
    is_harmless: bool = True


def harmless(seed: str = "tocsin", each: int = EACH) -> list[Harmless]:
    """Return ``each`` values of every sort, the same ones for the same seed."""
    found = []
    for name, make in SORTS.items():
        chance = random.Random(f"{seed} {name}")
        for number in range(each):
            field, held, said = make(chance, number)
            if len(held) < _LEAST_CHARS:
                raise ValueError(f"{name}: {held!r} is too short to be told from others")
            by = "name" if said != held else ("shape" if len(held) < 60 and "\n" not in held else "phrase")
            found.append(Harmless(name, "code" if name == CODE else by, field, held, said))
    return found


_Made = tuple[str, str, str]


def _plain(make: Callable[[random.Random, int], str], name: str = "detail") -> Callable[[random.Random, int], _Made]:
    def tell(chance: random.Random, number: int) -> _Made:
        held = make(chance, number)
        return name, held, held

    return tell


def _named(*names: str) -> Callable[[random.Random, int], _Made]:
    def tell(chance: random.Random, number: int) -> _Made:
        name, held = names[number % len(names)], f"{_word(chance)} {chance.randrange(100)}"
        return name, held, (f"{name}={held!r}", f"{name}: {held}", f'"{name}": "{held}"')[number % 3]

    return tell


def _word(chance: random.Random) -> str:
    return chance.choice(_WORDS)


def _sentence(chance: random.Random, number: int) -> str:
    return (
        f"the {_word(chance)} of {_word(chance)} {chance.randrange(1000)} was {chance.choice(('sent', 'lost', 'late'))}"
    )


def _moment(chance: random.Random, number: int) -> str:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(30_000_000))
    return (at.isoformat(), at.strftime("%Y-%m-%d"), at.strftime("%d/%b/%Y:%H:%M:%S"), at.strftime("%H:%M:%S"))[
        number % 4
    ]


def _stamp(chance: random.Random, number: int) -> str:
    return str(chance.randrange(1_700_000_000_000, 1_800_000_000_000))


def _digits(least: int, most: int) -> Callable[[random.Random, int], str]:
    return lambda chance, number: str(chance.randrange(10 ** (least + number % (most - least) - 1), 10 ** (most - 1)))


def _uuid(chance: random.Random, number: int) -> str:
    made = uuid.UUID(int=chance.getrandbits(128), version=4)
    return made.hex if number % 4 == 3 else str(made)


def _commit(chance: random.Random, number: int) -> str:
    return f"{chance.getrandbits(160):040x}"[: (40, 12, 8, 40)[number % 4]]


def _id(chance: random.Random, number: int) -> str:
    count = chance.randrange(10**5)
    return (f"ORD-2026-{count:05}", f"SKU {count}-B", f"user_2026_{count}", f"order:{count}:item:{number}")[number % 4]


def _path(chance: random.Random, number: int) -> str:
    a, b = _word(chance), _word(chance)
    forms = (f"/srv/{a}/{b}.py", f"/var/log/{a}/{b}.log", f"C:\\shop\\{a}\\{b}.txt", f"static/js/{a}.{number:08x}.js")
    return forms[number % 4]


def _module(chance: random.Random, number: int) -> str:
    a = _word(chance).replace("-", "_")
    forms = (f"shop.{a}.views.pay", f"{a}.tokenizer.Tokenizer", f"shop.auth.{a}", f"django.contrib.auth.{a}")
    return forms[number % 4]


def _url(chance: random.Random, number: int) -> str:
    a, count = _word(chance), chance.randrange(1000)
    forms = (
        f"https://shop.example.org/{a}/{count}?page=2&sort=date",
        f"http://cache:11211/{a}",
        f"https://api.example.org/v2/{a}/{count}",
        f"https://shop.example.org:8443/{a}#top",
    )
    return forms[number % 4]


def _statement(chance: random.Random, number: int) -> str:
    a, count = _word(chance).replace("-", "_"), chance.randrange(1000)
    forms = (
        f"SELECT id, name FROM {a} WHERE id = {count} ORDER BY created",
        f"UPDATE {a} SET state = 'sent' WHERE id = {count}",
        f"INSERT INTO {a} (id, state) VALUES ({count}, 'new')",
        f"DELETE FROM {a} WHERE primary_key IS NULL AND created < '2026-01-01'",
        f"SELECT count(*) FROM auth_user JOIN {a} ON {a}.user_id = auth_user.id",
    )
    return forms[number % 5]


def _trace(chance: random.Random, number: int) -> str:
    a = _word(chance).replace("-", "_")
    return f"File \"/srv/shop/{a}.py\", line {chance.randrange(1, 900)}, in {a}\n    return {a}[key]\nKeyError: '{a}'"


def _phone_like(chance: random.Random, number: int) -> str:
    count = chance.randrange(10**6, 10**7)
    return (f"0800 {count}", f"extension {count}", f"(030) {count}", f"{count % 900 + 100}-{count % 9000 + 1000}")[
        number % 4
    ]


def _ean(chance: random.Random, number: int) -> str:
    """Return a number of 13 digits with the check digit of trade items; just one in ten passes for a card's as well."""
    while True:
        digits = "40" + "".join(str(chance.randrange(10)) for _ in range(10))
        digits += str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10)
        luhn = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(reversed(digits)))
        if (luhn % 10 == 0) == (number % 10 == 0):
            return digits


def _product(chance: random.Random, number: int) -> str:
    count = chance.randrange(100)
    forms = (
        f"Keyboard K{count} Pro", f"Compass {count} (brass)", f"Whiskey {count} years", f"Monkey Island {count}",
        f"Token ring adapter {count}", f"Passport cover {count}", f"Secret Garden, part {count}",
        f"Cookie jar {count} l", f"Session IPA {count} cl", f"Private label {count}",
    )  # fmt: skip
    return forms[number % 10]


def _version(chance: random.Random, number: int) -> str:
    a, b = chance.randrange(20), chance.randrange(100)
    return (f"v{a}.{b}.1", f"left-pad@{a}.{b}.0", f"Python 3.{a}.{b}", f"psycopg=={a}.{b}")[number % 4]


def _address(chance: random.Random, number: int) -> str:
    a, b = chance.randrange(256), chance.randrange(256)
    return (f"10.0.{a}.{b}", f"10.0.{a}.{b}:8080", f"2001:db8::{a:x}:{b:x}", f"web-{a}.example.org:{b + 1000}")[
        number % 4
    ]


def _json(chance: random.Random, number: int) -> str:
    count, author, tag = chance.randrange(10**6), _word(chance), _word(chance)
    return f'{{"id": {count}, "author": "{author}", "keyboard": "qwertz", "tags": ["{tag}"]}}'


def _agent(chance: random.Random, number: int) -> str:
    return f"Mozilla/5.0 (X11; Linux x86_64; rv:{100 + number}.0) Gecko/20100101 Firefox/{100 + number}.0"


def _sum(chance: random.Random, number: int) -> str:
    return (
        f"{chance.randrange(10**6) / 100:.2f} EUR",
        f"{chance.random():.17f}",
        f"{chance.randrange(10**6):,} bytes",
    )[number % 3]


def _numbered(texts: tuple[str, ...]) -> Callable[[random.Random, int], str]:
    return lambda chance, number: texts[number % len(texts)]


SORTS: Final[dict[str, Callable[[random.Random, int], _Made]]] = {
    "words": _plain(lambda chance, number: _WORDS[number % len(_WORDS)]),
    "sentences": _plain(_sentence),
    "sentences about secrets": _plain(_numbered(_TELLING)),
    "names that only look sensitive": _named(*_NAMES),
    "names of settings and ordinary keys": _named(*_STRICT),
    "settings that tell about secrets": _plain(_numbered(_SETTINGS)),
    CODE: _plain(_numbered(_CODE)),
    "product names": _plain(_product),
    "numbers": _plain(_digits(4, 12)),
    "13-digit trade numbers": _plain(_ean),
    "millisecond timestamps": _plain(_stamp),
    "amounts, fractions, sizes": _plain(_sum),
    "dates and times": _plain(_moment),
    "ids": _plain(_id),
    "UUIDs": _plain(_uuid),
    "commit hashes": _plain(_commit),
    "paths": _plain(_path),
    "modules and functions": _plain(_module),
    "URLs": _plain(_url),
    "SQL": _plain(_statement),
    "tracebacks": _plain(_trace),
    "telephone-like numbers": _plain(_phone_like),
    "versions": _plain(_version),
    "addresses of hosts": _plain(_address),
    "JSON, user agents": _plain(lambda chance, number: (_json if number % 2 else _agent)(chance, number)),
}
