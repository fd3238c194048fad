"""Manners of writing that a secret comes in: YAML, SQL, XML, logs of frameworks, command lines, colours."""

from __future__ import annotations

import pprint
from dataclasses import replace

import pytest

from tocsin.event.masking.own_rules import MaskingRule, fault_of
from tocsin.event.masking.scrub import Scrubber
from tocsin.event.model import Frame

SECRET = "hunterS3cret"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("db:\n  password: |\n    hunterS3cret\n  user: bob", id="a block of YAML"),
        pytest.param("private_key: >-\n  first\n  hunterS3cret\nuser: bob", id="a folded block of YAML"),
        pytest.param("passwords:\n  - first\n  - hunterS3cret\nuser: bob", id="a list of YAML"),
        pytest.param("password:\n  value: hunterS3cret\nuser: bob", id="a table of YAML"),
        pytest.param("env:\n- name: DB_PASSWORD\n  value: hunterS3cret\n- name: X\n  value: y", id="an entry of YAML"),
        pytest.param(pprint.pformat({"password": "hunter hunterS3cret " * 5}, width=40), id="pprint's long texts"),
        pytest.param("DB_PASSWORD=django-in&x(y)#hunterS3cret\nHOME=/", id="a variable with signs"),
        pytest.param(repr(["HOME=/", "DB_PASSWORD=a, hunterS3cret", "X=1"]), id="a variable in a list"),
        pytest.param("UPDATE users SET `password`='hunterS3cret'", id="MySQL's backticks"),
        pytest.param("UPDATE users SET [password] = N'hunterS3cret'", id="SQL Server's brackets"),
        pytest.param("SELECT 1 FROM u WHERE token IN ('first','hunterS3cret')", id="IN"),
        pytest.param("SELECT 1 FROM u WHERE password LIKE 'hunterS3cret%'", id="LIKE"),
        pytest.param("SELECT 1 FROM u WHERE lower(token) = lower('hunterS3cret')", id="a function's"),
        pytest.param(
            "INSERT INTO users (name, password)\nVALUES\n  ('a', 'b'),\n  ('eve', 'hunterS3cret')", id="rows of INSERT"
        ),
        pytest.param("DETAIL:  Key (note)=(a\nhunterS3cret) already exists.", id="a key of two lines"),
        pytest.param("DETAIL:  Failing row contains (1, a\nhunterS3cret, null).", id="a row of two lines"),
        pytest.param("DETAIL:  Schlüssel »(email)=(hunterS3cret)« existiert bereits.", id="a key told in German"),
        pytest.param(
            "(0.001) UPDATE t SET x = 'a' WHERE y = 1; args=('hunterS3cret', 1); alias=default", id="Django's arguments"
        ),
        pytest.param("[generated in 0.00012s] ('bob', 'hunterS3cret')", id="SQLAlchemy's echo"),
        pytest.param("[cached since 1.2s ago] {'name': 'hunterS3cret'}", id="SQLAlchemy's echo, by name"),
        pytest.param(
            "1 validation error for Login\ndb.password\n  String too short [type=string_too_short, "
            "input_value='hunterS3cret', input_type=str]",
            id="pydantic's input",
        ),
        pytest.param(
            "Invalid type for parameter Password, value: hunterS3cret, type: <class 'str'>, valid types: <class 'int'>",
            id="botocore's parameter",
        ),
        pytest.param('{"Tags": [{"Key": "password", "Value": "hunterS3cret"}]}', id="tags of AWS"),
        pytest.param("{'ParameterKey': 'DbPassword', 'ParameterValue': 'hunterS3cret'}", id="parameters of a stack"),
        pytest.param("{'Name': '/shop/db/password', 'Type': 'x', 'Value': 'hunterS3cret'}", id="a name with slashes"),
        pytest.param("<password><![CDATA[hunterS3cret]]></password>", id="CDATA"),
        pytest.param("<password><value>hunterS3cret</value></password>", id="a value's own element"),
        pytest.param("&lt;password&gt;hunterS3cret&lt;/password&gt;", id="escaped XML"),
        pytest.param("&amp;lt;password&amp;gt;hunterS3cret&amp;lt;/password&amp;gt;", id="XML, escaped twice"),
        pytest.param(
            "<member><name>password</name><value><string>hunterS3cret</string></value></member>", id="XML-RPC"
        ),
        pytest.param("<dict><key>password</key><string>hunterS3cret</string></dict>", id="a property list"),
        pytest.param("<SimpleCookie: sid='hunterS3cret'>", id="SimpleCookie"),
        pytest.param("<Morsel: sid=hunterS3cret; Path=/>", id="Morsel"),
        pytest.param("<RequestsCookieJar[<Cookie sid=hunterS3cret for example.org/>]>", id="a jar of cookies"),
        pytest.param("\x1b[36mpassword\x1b[0m=\x1b[35mhunterS3cret\x1b[0m", id="colours"),
        pytest.param("password -> hunterS3cret", id="an arrow"),
        pytest.param("password：hunterS3cret", id="a wide colon"),
        pytest.param("password `hunterS3cret` rejected", id="backticks in prose"),
        pytest.param("expected password 'hunterS3cret'", id="expected"),
        pytest.param('curl -b "sid=hunterS3cret" https://x', id="curl's cookies"),
        pytest.param("curl -su bob:hunterS3cret https://x", id="curl's joined options"),
        pytest.param("docker login -u bob -p hunterS3cret registry.example.org", id="docker login"),
        pytest.param("AUTH PLAIN aHVudGVyhunterS3cret=", id="SMTP's AUTH"),
        pytest.param("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nhunterS3cret\n", id="a key of SSH2"),
    ],
)
def test_a_secret_is_found_in_every_manner_of_writing(text: str) -> None:
    """And what was masked stays as it is."""
    scrubber = Scrubber()
    masked = scrubber.text(text)
    assert SECRET not in masked
    assert "[masked" in masked
    assert scrubber.text(masked) == masked


@pytest.mark.parametrize("between", [".", "_", "\u00a0", "\u2009", "\u2011", "\u2013"])
def test_a_card_number_is_found_in_groups_of_print(between: str) -> None:
    """Blanks that do not break, dashes, dots."""
    assert Scrubber().text(f"card {between.join(['4111', '1111', '1111', '1111'])}") == "card [masked: card number]"


@pytest.mark.parametrize(
    "text",
    [
        "Unauthorized: /api/v1/token/refresh/",
        "consumer: Cannot connect to amqp://guest:**@127.0.0.1:5672//: Connection refused.",
        "token: Ensure this field has no more than 40 characters.",
        "Model 'auth.User': (fields.E304) Reverse accessor for 'auth.User.groups' clashes",
        "[generated in 0.00012s] (7, 12)",
        "[cached since 12.3s ago] {'pk_1': 7}",
        "(0.001) SELECT 1 FROM t WHERE id = 7; args=(7,); alias=default",
        "SELECT 1 FROM t WHERE cache_key LIKE 'user:%'",
        "\x1b[31mERROR\x1b[0m in worker",
        "api:\n  host: example.org\n",
        "&lt;p&gt;Hello&lt;/p&gt;",
        "first password\n- second\n- third",
    ],
)
def test_what_frameworks_say_stays(text: str) -> None:
    """Also where it names what a secret has for a name."""
    assert Scrubber().text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://bob:Abc1234xyz@h/x", "postgres://bob:Abc1234xyz@h/x", "password=Abc1234xyz", "Bearer Abc1234xyzuvw",
        "curl -u bob:Abc1234xyz", "--password Abc1234xyz", "password Abc1234xyz", "mysql -pAbc1234xyz",
        "sshpass -p Abc1234xyz x", "eyJhbGciOi1234JIUzI1.eyJzdWIi.xyzAbc", "AKIAIOSF1234DNN7EXAMPLE",
        "ghp_Abcdefghijklm1234opqrstuvwxyz", "password=Abc-1234-xyz", "https://bob:Abc-1234-xyz@h/x",
        "mysql -pAbc-1234-xyz", "curl -u bob:Abc-1234-xyz", "--password Abc-1234-xyz", "sshpass -p Abc-1234-xyz x",
    ],
)  # fmt: skip
def test_a_rule_of_ones_own_leaves_no_half_of_another_secret(text: str) -> None:
    """Four digits of a password are masked with it, and not instead of it."""
    scrubber = Scrubber((), [MaskingRule("order number", r"\d{4}")])
    for masked in (scrubber.text(text), scrubber.source(f'x = "{text}"')):
        assert not any(part in masked for part in ("Abc", "xyz", "EXAMPLE", "JIU"))
        assert scrubber.text(masked) == masked
    assert scrubber.text("order 4711, KD-4711") == "order [masked: order number], KD-[masked: order number]"


def test_a_rule_that_would_hide_nothing_is_refused() -> None:
    """Its group is there, but empty."""
    assert "would mask nothing" in fault_of("(?P<secret>)a")
    assert fault_of("(?P<secret>x)?y") == ""


@pytest.mark.parametrize(
    "value",
    [
        [("Host", "x"), ("Authorization", "Token hunterS3cret")],
        [(b"host", b"x"), (b"x-api-key", b"hunterS3cret")],
        (("password", "hunterS3cret"),),
        {"headers": [["X-Auth-Token", "hunterS3cret"]]},
        [{"name": "DB_PASSWORD", "value": "hunterS3cret"}],
        [{"Key": "password", "Value": "hunterS3cret"}],
    ],
)
def test_pairs_of_name_and_value_are_masked_in_structured_data_too(value: object) -> None:
    """As they are in texts."""
    scrubber = Scrubber()
    masked = scrubber.value("extra", value)
    assert SECRET not in repr(masked)
    assert "[masked: " in repr(masked)
    assert scrubber.value("extra", masked) == masked


@pytest.mark.parametrize("value", [["password", "token"], ["key"], ["a", "b"], {"name": "x", "value": "y"}, ["key", 5]])
def test_pairs_that_tell_no_secret_stay(value: object) -> None:
    """Two names are no name and its value."""
    assert Scrubber().value("extra", value) == value


def test_parameters_of_a_statement_are_masked_among_its_variables() -> None:
    """A driver's innermost frame holds them; elsewhere `args` are what they are."""
    scrubber = Scrubber()
    frame = Frame(
        "m", "do_execute", "m.py", 1, in_app=False, locals={"statement": "'SELECT ?'", "parameters": "('x',)"}
    )
    assert scrubber.frame(frame).locals == {"statement": "'SELECT ?'", "parameters": "[masked: parameters]"}
    assert scrubber.frame(scrubber.frame(frame)) == scrubber.frame(frame)
    alone = replace(frame, locals={"parameters": "('x',)"})
    assert scrubber.frame(alone).locals == alone.locals
