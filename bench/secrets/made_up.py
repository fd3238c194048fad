"""What secrets are made of: chance goes in; values of the documented shapes leave, none of them anybody's.

No shape stands here as a whole: what looks like a vendor's key is put together when the bench runs. What returns two
texts returns one that holds a secret, and what is secret in it.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from typing import Final

__all__ = [
    "aws",
    "aws_signed",
    "azure_account",
    "azure_sas",
    "basic",
    "bcrypt",
    "bearer",
    "card_number",
    "command",
    "cookie",
    "database_url",
    "digest",
    "dsn",
    "email",
    "forge",
    "gcp",
    "gcp_account",
    "htpasswd",
    "iban",
    "jwt",
    "negotiate",
    "oauth_code",
    "opaque",
    "other_row",
    "other_scheme",
    "password",
    "payment",
    "phone",
    "postgres_row",
    "private_key",
    "prose",
    "query_token",
    "registry",
    "service",
    "slack",
    "sql_user",
    "totp",
    "web_url",
    "webhook",
]

_LETTERS: Final = string.ascii_letters + string.digits
_HEX: Final = "0123456789abcdef"
_BASE32: Final = string.ascii_uppercase + "234567"
# Without quotes a text can't show that a value goes on behind the others.
_SAFE_SIGNS: Final = ("!", "$", "%", "/", "+", "ü", "#", "@", "=", ":", "?", "*", "~", "^")
_SIGNS: Final = (*_SAFE_SIGNS, "&", "<", '"', "'", ";", ",", ")", "]", "}", "\\", " ")


def _word(chance: random.Random, count: int, letters: str = _LETTERS) -> str:
    """Return a random word with a letter and a digit in it, where ``letters`` have both."""
    word = "".join(chance.choices(letters, k=count - 2))
    return f"{chance.choice(letters[:6])}{word}{chance.choice(letters[-8:])}"


def password(chance: random.Random, number: int) -> str:
    """Return what a person would choose: most with a sign in it, which every notation writes in its own way."""
    sign = chance.choice((_SAFE_SIGNS, _SAFE_SIGNS, _SIGNS, _SIGNS, ("",))[number % 5])
    return f"{_word(chance, 9)}{sign}{_word(chance, 9)}"


def user(chance: random.Random) -> str:
    return chance.choice(("ada", "bob", "deploy", "svc_shop", "root"))


def in_base64(chance: random.Random, count: int) -> str:
    return base64.b64encode(chance.randbytes(count)).decode()


def url_safe(chance: random.Random, count: int) -> str:
    return base64.urlsafe_b64encode(chance.randbytes(count)).decode().rstrip("=")


def card(chance: random.Random, first: str, count: int) -> str:
    """Return a number that passes Luhn (ISO/IEC 7812-1)."""
    digits = first + "".join(chance.choices(string.digits, k=count - len(first) - 1))
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def _pem(chance: random.Random, label: str, count: int) -> tuple[str, str]:
    body = in_base64(chance, count)
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----", body


def jwt(chance: random.Random, number: int) -> tuple[str, str]:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")

    claims: dict[str, object] = {"sub": _word(chance, 12), "iat": chance.randrange(10**9), "x": _word(chance, 16)}
    rest = f"{part(claims)}.{url_safe(chance, 32)}"
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{rest}", rest


def opaque(chance: random.Random, number: int) -> str:
    return _word(chance, 32)


def cookie(chance: random.Random) -> tuple[str, str]:
    value = _word(chance, 26)
    return f"theme=dark; sid={value}; lang=de", value


def bearer(chance: random.Random) -> tuple[str, str]:
    token = url_safe(chance, 30)
    return f"Bearer {token}", token


def basic(chance: random.Random) -> tuple[str, str]:
    password = _word(chance, 14)
    told = base64.b64encode(f"{user(chance)}:{password}".encode()).decode()
    return f"Basic {told}", f"{told} {password}"


def digest(chance: random.Random) -> tuple[str, str]:
    response, nonce = _word(chance, 32, _HEX), _word(chance, 24, _HEX)
    return f'Digest username="bob", realm="shop", nonce="{nonce}", uri="/", response="{response}"', response


def aws_signed(chance: random.Random) -> tuple[str, str]:
    key, signature = "AKIA" + _word(chance, 16, _BASE32), _word(chance, 64, _HEX)
    scope = f"{key}/20261103/eu-central-1/s3/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}", signature


def other_scheme(chance: random.Random) -> tuple[str, str]:
    token = _word(chance, 32)
    return f"{chance.choice(('Token', 'ApiKey', 'GenieKey', 'SSWS', 'Key'))} {token}", token


def negotiate(chance: random.Random, number: int) -> tuple[str, str]:
    token = _word(chance, 88)
    return f"Negotiate {token}", token


def aws(chance: random.Random, number: int) -> tuple[str, str]:
    key, secret = "AKIA" + _word(chance, 16, _BASE32), _word(chance, 40)
    return f"{key} {secret}" if number % 2 else f"AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}", (
        f"{key} {secret}"
    )


def gcp(chance: random.Random, number: int) -> str:
    return "AI" + "za" + _word(chance, 35) if number % 2 else "ya" + "29." + url_safe(chance, 40)


def gcp_account(chance: random.Random, number: int) -> tuple[str, str]:
    pem, body = _pem(chance, "PRIVATE KEY", 180)
    account = {"type": "service_account", "project_id": "shop", "private_key": pem + "\n", "token_uri": "https://x"}
    return json.dumps(account), body


def azure_sas(chance: random.Random, number: int) -> tuple[str, str]:
    first, second = _word(chance, 20), _word(chance, 20)
    query = f"sv=2024-11-04&ss=b&srt=o&sp=r&se=2026-11-03T00:00:00Z&sig={first}%2B{second}%3D"
    return f"https://shop.blob.core.example/files/a.pdf?{query}", f"{first} {second}"


def azure_account(chance: random.Random, number: int) -> tuple[str, str]:
    key = in_base64(chance, 64)
    kind = ("AccountKey", "SharedAccessKey")[number % 2]
    return f"DefaultEndpointsProtocol=https;AccountName=shop;{kind}={key};EndpointSuffix=core.example", key


def payment(chance: random.Random, number: int) -> str:
    start = ("sk_" + "live_", "rk_" + "live_", "sk_" + "test_", "whsec" + "_", "sk_" + "live_")[number]
    return start + _word(chance, 28)


def private_key(label: str, count: int) -> Callable[[random.Random, int], tuple[str, str]]:
    return lambda chance, number: _pem(chance, label, count)


def web_url(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 16)
    user = ("bob:", "", "oauth2:", "x-token-auth:", "deploy:")[number]
    return f"{('https', 'git+https', 'https', 'ftp', 'http')[number]}://{user}{word}@git.example.org/shop.git", word


def database_url(chance: random.Random, number: int) -> tuple[str, str]:
    scheme = ("postgresql+psycopg", "mysql+pymysql", "mongodb+srv", "redis", "amqps")[number]
    sign = ("", "/", "+", "!", "#")[number]
    word = f"{_word(chance, 9)}{sign}{_word(chance, 9)}"
    return f"{scheme}://{'' if scheme == 'redis' else user(chance)}:{word}@db.example.org:5432/shop", word


def dsn(chance: random.Random, number: int) -> tuple[str, str]:
    word = password(chance, 4)
    forms = (
        "host=db.example.org port=5432 dbname=shop user=shop password={}",
        "Server=db.example.org;Database=shop;User Id=sa;Password={};Encrypt=yes",
        "DRIVER={{ODBC Driver 18}};SERVER=db;UID=sa;PWD={}",
        "jdbc:postgresql://db.example.org/shop?user=shop&password={}",
        "mysql:host=db.example.org;dbname=shop;user=shop;password={}",
    )
    return forms[number].format(word), word


def card_number(chance: random.Random, number: int) -> tuple[str, str]:
    first, count = (("4", 16), ("5" + str(chance.randint(1, 5)), 16), ("37", 15), ("4", 16), ("62", 19))[number]
    digits = card(chance, first, count)
    mark = ("", "", "", " ", "-")[number]
    grouped = mark.join(digits[start : start + 4] for start in range(0, count, 4))
    return grouped, f"{digits} x {grouped}"


def iban(chance: random.Random, number: int) -> str:
    return "DE" + "".join(chance.choices(string.digits, k=20))


def email(chance: random.Random, number: int) -> tuple[str, str]:
    local = _word(chance, 10, string.ascii_lowercase + string.digits)
    said = (
        "{}@mail.example",
        "Ada.{}@shop.example.org",
        "{}+news@example.com",
        "<{}@example.net>",
        "{}@xn--bcher.example",
    )
    return said[number].format(local), local


def forge(chance: random.Random, number: int) -> str:
    return ("gh" + "p_", "gh" + "o_", "gl" + "pat-", "github" + "_pat_", "gh" + "s_")[number % 5] + _word(chance, 36)


def slack(chance: random.Random, number: int) -> str:
    numbers = "-".join(str(chance.randrange(10**11, 10**12)) for _ in range(2))
    return (
        ("xo" + "xb", "xo" + "xp", "xo" + "xa", "xo" + "xr", "xa" + "pp")[number] + f"-{numbers}-" + _word(chance, 24)
    )


def registry(chance: random.Random, number: int) -> str:
    return "np" + "m_" + _word(chance, 36) if number % 2 else "py" + "pi-AgEI" + url_safe(chance, 60)


def webhook(chance: random.Random, number: int) -> tuple[str, str]:
    token = _word(chance, 24)
    forms = (
        "https://hooks." + "slack.com/services/T00AAAA00/B00AAAA00/{}",
        "https://discord." + "com/api/webhooks/123456789012345678/{}",
        "https://discordapp." + "com/api/v10/webhooks/123456789012345678/{}",
        "https://hooks." + "slack.com/workflows/T00AAAA00/{}",
        "hooks." + "slack.com/triggers/T00AAAA00/{}",
    )
    return forms[number].format(token), token


def service(chance: random.Random, number: int) -> str:
    if number % 2:
        return "S" + "G." + _word(chance, 22) + "." + _word(chance, 43)
    return "s" + "k-" + ("proj-" if number else "") + _word(chance, 44)


def totp(chance: random.Random, number: int) -> tuple[str, str]:
    seed = _word(chance, 32, _BASE32)
    return f"otpauth://totp/shop:bob?secret={seed}&issuer=shop", seed


def postgres_row(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 12)
    forms = (
        'duplicate key value violates unique constraint "users_email_key"\nDETAIL:  Key (email)=({}) already exists.',
        "Key (lower(email::text))=({}) already exists.",
        'Key (tenant, phone)=(7, {}) is not present in table "people".',
        'new row for relation "users" violates check constraint\nDETAIL:  Failing row contains (7, ada, {}, null).',
        "Key (email)=({} b) already exists.",
    )
    return forms[number].format(word), word


def other_row(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 12)
    sql = "(sqlite3.IntegrityError) NOT NULL constraint failed: users.name\n[SQL: INSERT INTO users VALUES (?, ?)]"
    end = "\n(Background on this error at: https://sqlalche.example/e)"
    forms = (
        f"(1062, \"Duplicate entry '{word}' for key 'users.email'\")",
        f"(1062, \"Duplicate entry '7-{word}' for key 'users.PRIMARY'\")",
        f"{sql}\n[parameters: {{'name': 'ada', 'x': '{word}'}}]{end}",
        f"{sql}\n[parameters: ('ada', '{word}', 7)]{end}",
        f"{sql}\n[parameters: [('ada', '{word}'), ('bob', None)]]{end}",
    )
    return forms[number % 5], word


def bcrypt(chance: random.Random, number: int) -> str:
    return "$2" + "b$12$" + _word(chance, 53)


def htpasswd(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 22)
    return (f"bob:$2y$05${word}" if number % 2 else f"bob:$apr1$ab12cd34${word}"), word


def command(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 12)
    forms = (
        "sshpass -p {} ssh deploy@10.0.0.7 uptime",
        "mysql -u root -p{} shop",
        "redis-cli -h cache -a {} ping",
        "mysqldump --password={} shop",
        "sshpass -p '{}' scp a bob@10.0.0.7:",
    )
    return forms[number].format(word), word


def curl(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 14)
    forms = (
        "curl -u bob:{} https://api.example.org/",
        "curl --user bob:{} -X POST https://api.example.org/",
        'curl -H "Authorization: Bearer {}" https://api.example.org/',
        "curl -sS -u 'bob:{}' https://api.example.org/",
        "curl -H 'X-Api-Key: {}' https://api.example.org/",
    )
    return forms[number].format(word), word


def query_token(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 30)
    name = ("access_token", "api_key", "token", "sessionid", "X-Amz-Signature")[number]
    return f"https://shop.example.org/export?page=2&{name}={word}&format=csv", word


def oauth_code(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 30)
    return f"https://shop.example.org/callback?code={word}&scope=openid", word


def sql_user(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 14)
    forms = (
        "ALTER USER shop WITH PASSWORD '{}'",
        "CREATE USER 'shop'@'%' IDENTIFIED BY '{}'",
        "CREATE ROLE shop LOGIN ENCRYPTED PASSWORD '{}'",
        "ALTER USER shop IDENTIFIED WITH mysql_native_password BY '{}'",
        "UPDATE users SET password = '{}' WHERE id = 7",
    )
    return forms[number].format(word), word


def prose(chance: random.Random, number: int) -> tuple[str, str]:
    word = _word(chance, 12)
    forms = (
        "the password is {}",
        "token '{}' was rejected",
        "login with password {} failed",
        'secret "{}" is not known',
        "invalid password: {}",
    )
    return forms[number].format(word), word


def phone(chance: random.Random, number: int) -> str:
    return f"+49 30 {chance.randrange(10**7, 10**8)}"
