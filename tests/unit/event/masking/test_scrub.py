"""Masking: secrets of the documented sorts go, what helps to mend stays."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masks import bare
from tocsin.event import limits
from tocsin.event.masking.scrub import MASK, Scrubber, clip
from tocsin.event.model import Event, ExceptionInfo, Frame, Request

SCRUBBER = Scrubber()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2 ok", f"password={MASK} ok"),
        ("password: hunter2, next", f"password: {MASK}, next"),
        ("the password was: hunter2", f"the password was: {MASK}"),
        ("{'password': 'hunter2', 'user': 'bob'}", f"{{'password': '{MASK}', 'user': 'bob'}}"),
        ('{"api_key": "a\\"b", "n": 1}', f'{{"api_key": "{MASK}", "n": 1}}'),
        ('{"a": "{\\"token\\": \\"abc\\", \\"b\\": 1}"}', f'{{"a": "{{\\"token\\": \\"{MASK}\\", \\"b\\": 1}}"}}'),
        ("{b'secret': b'abc'}", f"{{b'secret': b'{MASK}'}}"),
        ("tokens=[1, {'a': 'b]'}] rest", f"tokens={MASK} rest"),
        ("[('Authorization', 'zzz'), ('X-Api-Key', 'abc')]", f"[('Authorization', '{MASK}'), ('X-Api-Key', '{MASK}')]"),
        ("GET /x?token=abc&page=2", f"GET /x?token={MASK}&page=2"),
        ("user[password]=x1&b=2", f"user[password]={MASK}&b=2"),
        ("Server=db;Password=abc;Database=shop", f"Server=db;Password={MASK};Database=shop"),
        ("Cookie: a=b; c=d\nnext", f"Cookie: {MASK}\nnext"),
        ("Authorization: Digest username=x, response=y", f"Authorization: {MASK}"),
        ("API key: swordfish", f"API key: {MASK}"),
        ("mysql --password hunter2 --user bob", f"mysql --password {MASK} --user bob"),
        ("['mysql', '--password', 'hunter2']", f"['mysql', '--password', '{MASK}']"),
        ("<password>hunter2</password>", f"<password>{MASK}</password>"),
        ("{&quot;password&quot;: &quot;hunter2&quot;}", f"{{&quot;password&quot;: &quot;{MASK}&quot;}}"),
        ("postgres://shop:hunter2@db:5432/x", f"postgres://shop:{MASK}@db:5432/x"),
        ("postgres://shop:p@ss:w0rd@db/x", f"postgres://shop:{MASK}@db/x"),
        ("redis://:pa/ss@host/0", f"redis://:{MASK}@host/0"),
        ("https://ghp_1234@github.com/x", f"https://{MASK}@github.com/x"),
        ("sent Bearer abc123def", f"sent Bearer {MASK}"),
        ("sent Basic dXNlcjpwYXNz", f"sent Basic {MASK}"),
        (f"got {JWT} here", f"got {MASK} here"),
        (f"x {PEM} y", f"x {MASK} y"),
        ("x -----BEGIN PRIVATE KEY-----\nMIIEcut", f"x {MASK}"),
        ("card 4111 1111 1111 1111, 5500-0000-0000-0004", f"card {MASK}, {MASK}"),
        ("card 12 4111111111111111 7", f"card 12 {MASK} 7"),
        ("mail bob@example.com.", f"mail {MASK}."),
        ("Key (email)=(a@b.c) already exists.", f"Key (email)=({MASK}) already exists."),
        ("Key (name, x)=(Bob (jr), 1) already exists.", f"Key (name, x)=({MASK}) already exists."),
        ("Duplicate entry 'bob' for key 'name'", f"Duplicate entry '{MASK}' for key 'name'"),
        ("Failing row contains (1, bob, x).", f"Failing row contains ({MASK})."),
        ("[SQL: X]\n[parameters: ('bob', 'x]y')]\n(Background on", f"[SQL: X]\n[parameters: {MASK}]\n(Background on"),
        ("/login?next=%2Fpay%3Ftoken%3Dhunter2 failed", f"/login?next=/pay?token={MASK} failed"),
        ("to=bob%40example.com", f"to={MASK}"),
        ("a%253Fpassword%253Dhunter2", f"a?password={MASK}"),
    ],
)
def test_secrets_are_masked_in_text(text: str, masked: str) -> None:
    """Each documented sort of secret is replaced, and what stands around it is left."""
    assert bare(SCRUBBER.text(text)) == masked


@pytest.mark.parametrize(
    "text",
    [
        "the key is missing",
        "Missing key: name",
        "KeyError: 'user_id'",
        "sqlalchemy.exc.AuthError: denied",
        "session: expired",
        "monkey: banana author=bob passenger=5 keyboard: x tokenize=yes",
        "capital=Paris rapid=1 compass: north",
        "password=None token=null secret=''",
        "auth.py:12: error",
        "connect to auth-db:5432 refused, http://auth.example.com:8080/x",
        "http://localhost:8000/users/@bob",
        "Basic authentication failed, a bearer of bad news",
        "550e8400-e29b-41d4-a716-446655440000",
        "at 1700000000000 ms, ratio 0.4111111111111111",
        "lodash@4.17.21",
        "Key (id)=(5) is not present",
        "100% sure, 50%25",
        "::1 and a::b",
    ],
)
def test_harmless_text_stays(text: str) -> None:
    """Words that hold a sensitive one by accident, prose, hosts, versions and ids are not masked."""
    assert SCRUBBER.text(text) == text


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('password = "hunter2"', f'password = "{MASK}"'),
        ('self.token: str = "abc"', f'self.token: str = "{MASK}"'),
        ('connect(host="db", password="hunter2", user="bob")', f'connect(host="db", password="{MASK}", user="bob")'),
        ('d = {"password": "hunter2", "user": "bob"}', f'd = {{"password": "{MASK}", "user": "bob"}}'),
        ('os.environ["SECRET_KEY"] = "abc"', f'os.environ["SECRET_KEY"] = "{MASK}"'),
        ('os.environ.get("SECRET", "dev")', f'os.environ.get("SECRET", "{MASK}")'),
        ('token = env.get("T") or "s3cret"', f'token = env.get("T") or "{MASK}"'),
        ('dsn = "host=db password=hunter2 user=x"', f'dsn = "host=db password={MASK} user=x"'),
        ('j = \'{"password": "hunter2"}\'', f'j = \'{{"password": "{MASK}"}}\''),
        ('auth=("bob", "hunter2")', f'auth=("{MASK}", "{MASK}")'),
        ("x = 1  # password: foo1", f"x = 1  # password: {MASK}"),
        ("    password=hunter2", f"    password={MASK}"),
        ('create_engine("pg://u:pw@h/d")', f'create_engine("pg://u:{MASK}@h/d")'),
    ],
)
def test_literals_in_source_are_masked(line: str, masked: str) -> None:
    """In source lines the literals of sensitive names go."""
    assert bare(SCRUBBER.source(line)) == masked


@pytest.mark.parametrize(
    "line",
    [
        "token = get_token()",
        "token = token2",
        'session = db.query("SELECT 1")',
        'sorted(x, key=lambda r: r["id"])',
        "def f(token: str, key: int = 3) -> None:",
        "raise KeyError('x')",
        "author = 'bob'",
        "    return self._keys[key]",
    ],
)
def test_code_without_secrets_stays(line: str) -> None:
    """Calls, names, annotations and arguments of calls tell no secret."""
    assert SCRUBBER.source(line) == line


def _frame(**changes: object) -> Frame:
    return replace(Frame(module="m", function="f", file="/m.py", line=5), **changes)  # type: ignore[arg-type]


def test_secrets_that_go_on_over_lines_are_masked_in_frames() -> None:
    """PEM blocks, triple quotes and literals below an open bracket are masked on every line shown."""
    frame = SCRUBBER.frame(
        _frame(
            before=('KEY = """-----BEGIN PRIVATE KEY-----', "MIIEvQ", "-----END PRIVATE KEY-----"),
            source="password = (",
            after=('    "hunter2"', ")", 'secret = """abc'),
        )
    )
    text = "\n".join((*frame.before, frame.source, *frame.after))
    assert not any(secret in text for secret in ("MIIEvQ", "hunter2", "abc"))


def test_body_of_a_pem_block_that_began_above_is_masked() -> None:
    """Lines before an END whose BEGIN is not shown are masked."""
    frame = SCRUBBER.frame(_frame(before=("MIIEvQshort", "-----END PRIVATE KEY-----"), source="x = 1"))
    assert bare(frame.before) == (MASK, MASK)
    assert frame.source == "x = 1"


def test_columns_survive_unless_masking_moved_them() -> None:
    """Positions stay where the line up to them is unchanged, and are dropped where it isn't."""
    kept = SCRUBBER.frame(_frame(source='f(x, password="hunter2")', column=2, end_column=3))
    lost = SCRUBBER.frame(_frame(source='f(password="hunter2", x)', column=22, end_column=23))
    assert (kept.column, kept.end_column) == (2, 3)
    assert (lost.column, lost.end_column) == (None, None)


def test_locals_are_masked_by_name_and_by_value() -> None:
    """A frame's locals follow the rules of fields."""
    frame = SCRUBBER.frame(_frame(locals={"password": "'x'", "url": "pg://u:pw@h", "n": "1"}))
    assert bare(frame.locals) == {"password": MASK, "url": f"pg://u:{MASK}@h", "n": "1"}


class Hostile:
    """Raise at whatever is asked."""

    def _refuse(self, *_: object) -> object:
        raise RuntimeError("foreign code ran")

    __repr__ = __str__ = __len__ = __eq__ = __hash__ = __iter__ = __bool__ = _refuse  # type: ignore[assignment]
    __getattribute__ = __getattr__ = __format__ = __int__ = __float__ = _refuse  # type: ignore[assignment]


class HostileDict(dict):  # type: ignore[type-arg]
    items = __iter__ = __len__ = __repr__ = Hostile._refuse  # type: ignore[assignment]


class HostileStr(str):
    __str__ = __repr__ = lower = __len__ = __eq__ = encode = Hostile._refuse  # type: ignore[assignment]
    __hash__ = str.__hash__


class Level(IntEnum):
    HIGH = 3


def test_values_that_are_no_builtins_are_described() -> None:
    """No foreign code runs: objects and subclasses show as their type."""
    described = f"<{Hostile.__module__}.Hostile>"
    assert SCRUBBER.value("x", Hostile()) == described
    assert SCRUBBER.value("x", [Hostile(), {"a": HostileDict()}]) == [
        described,
        {"a": f"<{HostileDict.__module__}.HostileDict>"},
    ]
    assert SCRUBBER.value("x", Level.HIGH) == f"<{Level.__module__}.Level>"
    assert bare(SCRUBBER.text(HostileStr("password=hunter2"))) == f"password={MASK}"


def test_values_are_masked_by_key_at_any_depth() -> None:
    """A sensitive key masks all it holds; None, truth and emptiness are no secrets."""
    value = {"a": [{"X-Api-Key": ["k1"], "user": "bob"}], "password": "", "token": None, "has_secret": True}
    assert SCRUBBER.value("x", value) == {
        "a": [{"X-Api-Key": "[masked: API key]", "user": "bob"}],
        "password": "",
        "token": None,
        "has_secret": True,
    }
    assert bare(SCRUBBER.value("session", {"id": 5})) == MASK


def test_own_keys_are_substrings_without_regard_to_case_and_dashes() -> None:
    """Keys given by the caller mask by name and in texts."""
    scrubber = Scrubber(["Customer-No"])
    assert bare(scrubber.value("x", {"customer_no_old": 55})) == {"customer_no_old": MASK}
    assert bare(scrubber.text("customer_no=55 customer-no: 66")) == f"customer_no={MASK} customer-no: {MASK}"


def test_numbers_become_strict_json() -> None:
    """NaN, infinities, huge integers and card numbers are texts."""
    value = SCRUBBER.value("x", [float("nan"), float("-inf"), 10**400, 4111111111111111, 1700000000000, 1.5])
    assert value == ["nan", "-inf", "<int of 1329 bits>", "[masked: card number]", 1700000000000, 1.5]


def test_containers_are_bounded_in_depth_width_and_total() -> None:
    """A value that contains itself, is wide or is bushy costs a bounded amount."""
    loop: list[object] = []
    loop.append(loop)
    assert json.dumps(SCRUBBER.value("x", loop)).count("[") <= limits.FIELD_DEPTH
    wide = SCRUBBER.value("x", list(range(10_000)))
    assert isinstance(wide, list)
    assert len(wide) == limits.FIELD_ITEMS + 1
    bushy = [[[list(range(32)) for _ in range(32)] for _ in range(32)] for _ in range(32)]
    assert len(json.dumps(SCRUBBER.value("x", bushy))) < 10_000


def test_lone_surrogates_are_replaced() -> None:
    """What strict JSON decoders refuse doesn't leave."""
    assert SCRUBBER.text("a\udc80b") == "a?b"
    assert json.dumps(SCRUBBER.value("\ud800", {"\ud800": "\udfff"}), ensure_ascii=False).encode()


def test_queries_are_masked_by_name_and_by_value() -> None:
    """Parameters are masked one by one, whatever their encoding."""
    assert SCRUBBER.query("a=1&to%6ben=x&next=%2F%3Fpwd%3Dy&m=bob%40example.com&csrf=") == (
        "a=1&to%6ben=[masked: token]&next=/?pwd=[masked: password]&m=[masked: e-mail address]&csrf="
    )


def test_urls_are_masked_in_all_parts() -> None:
    """User information, query and fragment lose their secrets."""
    assert SCRUBBER.url("https://u:p@h/x?token=a#access_token=b") == (
        "https://u:[masked: password]@h/x?token=[masked: token]#access_token=[masked: token]"
    )


def test_headers_pass_by_allow_list_and_masked() -> None:
    """Only allowed headers are told; sensitive names stay masked even if allowed."""
    items = [
        ("user-agent", "curl"),
        ("X-Secret", "1"),
        ("COOKIE", "a=b"),
        ("referer", "https://h/?token=x"),
        ("x-other", "1"),
    ]
    allowed = frozenset({"user-agent", "cookie", "referer"})
    assert SCRUBBER.headers(items, allowed) == {
        "User-Agent": "curl",
        "Cookie": "[masked: cookie]",
        "Referer": "https://h/?token=[masked: token]",
    }


def _event() -> Event:
    secret = "password=hunter2"
    inner = ExceptionInfo(type="ValueError", message=secret)
    info = replace(
        inner, notes=(secret,), frames=(_frame(source=secret),), cause=inner, context=inner, members=(inner,)
    )
    return Event(
        kind="error",
        level="ERROR",
        levelno=40,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        application=secret,
        message=secret,
        template=secret,
        logger=secret,
        thread=secret,
        location=secret,
        process_name=secret,
        environment=secret,
        release=secret,
        host=secret,
        custom_fingerprint=secret,
        exception=info,
        request=Request(
            method="GET",
            endpoint=secret,
            client=secret,
            scheme=secret,
            path=f"/{secret}",
            query=secret,
            headers={"Referer": f"http://h/?{secret}"},
        ),
        fields={"x": {"y": secret}, "password": "hunter2"},
    )


def test_nothing_in_an_event_escapes_masking() -> None:
    """Messages, chain, group, notes, request and fields are masked; frames when asked."""
    assert "hunter2" not in repr(SCRUBBER.event(_event(), frames=True))
    once = SCRUBBER.event(_event())
    assert repr(once).count("hunter2") == 1
    assert SCRUBBER.event(once) == once


def test_switched_off_masks_nothing_but_stays_strict() -> None:
    """Without masking texts are still bounded and strict."""
    scrubber = Scrubber(is_on=False)
    assert "hunter2" in repr(scrubber.event(_event(), frames=True).message)
    assert scrubber.value("password", "a\ud800") == "a?"
    assert scrubber.query("token=x") == "token=x"


def test_a_cut_does_not_uncover_a_secret() -> None:
    """What marks a secret may lie past the cut: the password before an @ is masked all the same."""
    text = "x" * 80 + " postgres://shop:hunter2secret@db/x"
    assert "hunt" not in SCRUBBER.text(text, 104)
    assert clip("abc [masked]", 9) == "abc …"


PLANTED = st.text(alphabet=string.ascii_letters + string.digits, min_size=4, max_size=12).map(lambda s: f"Zq7{s}")
CARRIERS = st.sampled_from(
    [
        "password={}",
        "token: {}",
        "'secret': '{}'",
        '{{"api_key": "{}"}}',
        "/x?csrf={}&a=1",
        "pg://u:{}@h/d",
        "Authorization: Bearer {}",
        "X-Api-Key: {}",
        "('pwd', '{}')",
        "{}@example.com",
        "session = ['{}', 1]",
        "Cookie: sid={}; x=y",
    ]
)
NOISE = st.text(max_size=30).map(lambda s: f"{s} ")


@given(NOISE, CARRIERS, PLANTED, NOISE, st.integers(0, 2))
def test_planted_secrets_never_survive(before: str, carrier: str, secret: str, after: str, encoded: int) -> None:
    """Whatever text surrounds it, and percent-encoded twice or less, a planted secret goes."""
    text = carrier.format(secret)
    for _ in range(encoded):
        text = quote(text, safe="")
    assert secret not in SCRUBBER.text(f"{before}\n{text}\n {after}")


PIECES = st.lists(
    st.one_of(
        st.text(max_size=8),
        CARRIERS,
        st.sampled_from(
            [
                "password",
                "=",
                ":",
                "'",
                '"',
                "\\",
                "%3D",
                "%2540",
                "[masked]",
                "://",
                "@",
                "a.b",
                "[",
                "]",
                "(",
                ", ",
                "Bearer ",
                "eyJhbGciOiJI",
                "4111 1111 1111 1111",
                "Key (a)=(b)",
                "#",
                "--token ",
                "…",
                "\n",
                "&",
                " ",
                "token ",
                "password '",
                "IDENTIFIED BY ",
                "SecretStr(",
                "Authorization: Digest a=",
                'name="csrf" value="',
                "mysql -p",
                "curl -u a:",
                "ghp_abcdefghij1",
                "AKIAIOSFODNN7EXAMPLE ",
                "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY",
                "hooks.slack.com/services/T/B/",
                "login(",
                "key=",
                "Unexpected ",
                "== token",
            ]
        ),
    ),
    max_size=14,
).map("".join)


@given(PIECES)
def test_masking_twice_changes_nothing(text: str) -> None:
    """scrub(scrub(x)) == scrub(x) for texts, source lines and queries."""
    for mask in (SCRUBBER.text, SCRUBBER.source, SCRUBBER.query):
        once = mask(text)
        assert mask(once) == once


@given(PIECES, st.integers(10, 60))
def test_bounded_masking_twice_changes_nothing(text: str, limit: int) -> None:
    """The law holds for texts that were cut."""
    once = SCRUBBER.text(text, limit)
    assert len(once) <= limit
    assert SCRUBBER.text(once, limit) == once


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())
VALUES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner)), max_leaves=20
)


@given(st.text(), VALUES)
def test_values_are_always_strict_json_and_masked_once(key: str, value: object) -> None:
    """Any builtin value becomes JSON that a strict decoder takes, and stays what it is when masked again."""
    once = SCRUBBER.value(key, value)
    text = json.dumps(once, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode()) == once
    assert SCRUBBER.value(key, once) == once


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "password",
        "password=",
        "'password': ",
        "://a:",
        "[",
        "%25",
        "%40",
        "a@",
        "1 ",
        "11-",
        "eyJ",
        "Key (",
        "<a>",
        '\\"',
        "token='",
        "-----BEGIN A-----",
        "[parameters: ",
        "--token ",
        "Duplicate entry '",
        "#'",
        "x.",
        "&quot;",
        "password=[",
        "Bearer ",
        "Basic a",
        "a.b@c.",
        ",(",
        "Failing row contains (",
        "] ",
        "Cookie: ",
        "token 'a",
        "password ",
        "password a",
        "identified with ",
        'name="key" value=',
        'value="a" name="b" ',
        "mysql -",
        "redis-cli a ",
        "curl -u a",
        "sk-",
        "sk-a",
        "xoxb-1",
        "AKIAIOSFODNN7EXAMPLE",
        "aA1/",
        "hooks.slack.com/services/",
        "login(",
        "login('a',",
        "'a' == token ",
        'Authorization: a="',
        "key=a1",
        "token: ",
        "unexpected token: ",
        '[["X-Key", ',
        "set(a, 'token', ",
        "a://b:c",
        "password=f(",
        "api.",
        "--key ",
        "password=a'b",
    ],
)
def test_masking_takes_linear_time(part: str) -> None:
    """No text of this length, however contrived, keeps the test run from ending: backtracking would take years."""
    text = part * (16_384 // len(part))
    assert SCRUBBER.text(text)
    assert SCRUBBER.source(text)


class _Key(str):
    """Be a name that is derived from str: an enum's member, a header of aiohttp."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("foreign code ran")


def test_names_are_names_whatever_they_are_derived_from_or_encoded_as() -> None:
    scrubber = Scrubber()
    assert bare(scrubber.fields({"table": {_Key("password"): "hunter2"}})) == {"table": {"password": MASK}}
    assert "hunter2" not in str(scrubber.fields({"%70assword%3D1": "hunter2"}))
    assert "hunter2" not in str(scrubber.prepared({"table": {"%70assword%3D1": "hunter2"}}))


@pytest.mark.parametrize("bar", ["", "  | "])
def test_source_lines_of_a_traceback_within_a_text_are_masked_as_those_of_frames(bar: str) -> None:
    """A process pool's exceptions carry one as text, and so do many log messages."""
    lines = [
        "lost the job",
        "Traceback (most recent call last):",
        '  File "shop.py", line 3, in pay',
        '    smtp.login("shop", "zebra7")',
        "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        '  File "shop.py", line 9, in <module>',
        '    connect("shop", "zebra7")  # and more',
        "ValueError: boom",
        'login("shop", "no source line")',
    ]
    text = "\n".join(bar + line for line in lines)
    masked = SCRUBBER.text(text)
    assert masked == text.replace("zebra7", "[masked: password]")
    assert SCRUBBER.text(masked) == masked
    assert Scrubber(is_on=False).text(text) == text
