"""Masking by tables: every line of one must lose its secret, no line of the other may change."""

from __future__ import annotations

import pytest

from masks import bare
from tocsin.event.masking.marks import MASK, MASKED
from tocsin.event.masking.scrub import Scrubber

SCRUBBER = Scrubber()
SECRETS = ("hunter2", "Zq7xKp")  # each stands in for § in turn

LEAKS = r"""
token=SecretStr('§')
token=SecretStr("§") rejected
password=Secret(value='§', n=1)
login(user='bob', password=SecretStr(b'§'))
password=ab'§'cd
Authorization: Digest username="b", response="§"
Authorization: Digest username=b, nonce="x y", response="§", qop=auth
{'Authorization': 'Digest username="b", response="§"'}
{"Authorization": "Digest username=\"b\", response=\"§\""}
curl -H 'Authorization: Digest username="b", response="§"' http://x
Authorization=Digest username="b", response="§"
Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=§
Cookie: a=b; sid="§"; c=d
Set-Cookie: sid=§; Path=/; HttpOnly
[["X-Api-Key","§"]]
[["Accept", "x"], ["X-Api-Key", "§"]]
[[b"x-api-key", b"§"]]
("X-Api-Key", "§")
(b'x-api-key', b'§')
[('Accept', 'x'), ('X-Auth-Token', '§')]
<input name="csrf_token" value="§">
<input type='hidden' name='csrfmiddlewaretoken' value='§'>
<input value="§" type="hidden" name="csrf_token">
<input name="pwd" value="ab&quot;§">
<input name="pwd" value="ab\§">
<input value="ab\§" name="pwd">
<p>{&quot;id&quot;: 7, &quot;pwd&quot;: &quot;ab\&quot;§&quot;, &quot;a&quot;: 1}</p>
got b'{"id": 7, "pwd": "ab\\"§", "active": true}'
passphrase: ab §
&lt;input name=&quot;csrf_token&quot; value=&quot;§&quot;&gt;
{"name": "X-Api-Key", "value": "§"}
{'key': 'DB_PASSWORD', 'value': '§'}
{"value": "§", "name": "password"}
https://a.blob.core.windows.net/c?sv=2020&sig=§%3D&se=1
https://a.blob.core.windows.net/c?sig=§
curl -u bob:§ http://x
curl -s --user bob:§ http://x
['curl', '-u', 'bob:§']
mysql -p§ shop
mysqldump -u root -p§ shop
['mysql', '-u', 'root', '-p§']
mysql --password §
mysql --password=§
sshpass -p § ssh bob@host
redis-cli -h db -a §
pg_restore --token '§'
postgres://u:p@ss/§@h/db
postgresql+psycopg://u:§@h:5432/db
mongodb://u:p/§@h1,h2/db
amqp://u:p@§@h
https://u:§@h/x
ALTER USER bob WITH PASSWORD '§'
alter user bob password '§'
CREATE USER bob IDENTIFIED BY '§'
CREATE USER 'bob'@'%' IDENTIFIED WITH mysql_native_password BY '§'
SET PASSWORD FOR bob = PASSWORD('§')
token '§' rejected
invalid token "§"
password "§" is wrong
the api key '§' is not known
secret '§' not accepted
password §
wrong password §, try again
password is §
wrong password pass!§
the password was §.
passwd § given
pwd §
pw=§
db_pw: §
user.password=§
spring.datasource.password=§
app.secret.value=§
credentials.token: §
connect.sid=§
session.id=§
apiKey=§
clientSecret: §
accessToken=§
api key: §
secret key: §
STRIPE_KEY=§
X-Api-Key: §
session_id=§
auth=§
private_key=§
{'key': '§'}
{"api_key_2": "§"}
GET /x?key=§
GET /x?a=1&refresh_key=§
token: §
refresh_token=§&grant_type=x
login failed: {"user": {"password": "§"}}
Invalid token: §
""".strip().splitlines()

SOURCE_LEAKS = r"""
setattr(x, "password", "§")
object.__setattr__(self, 'token', '§')
monkeypatch.setenv("API_TOKEN", "§")
pw = "§"
db_pw = '§'
self.pw: str = "§"
"§" == token
if "§" != user.password:
token == "§"
login("bob", "§")
client.login("bob", '§', timeout=3)
authenticate(request, "bob", "§")
db.connect("host", "bob", "§")
MySQLdb.connect("host", "bob", "§", "shop")
requests.get(url, auth=HTTPBasicAuth("bob", "§"))
user.set_password("§")
check_password("§", user.password)
token = SecretStr("§")
SecretStr('§')
hmac.compare_digest(token, "x", "§")
cursor.execute("ALTER USER bob PASSWORD '§'")
cursor.execute("CREATE USER bob IDENTIFIED BY '§'")
    IDENTIFIED BY '§'
raise ValueError("password §")
# password is §
os.system("mysql -p§ shop")
subprocess.run(["curl", "-u", "bob:§"])
subprocess.run(["tool", "--password", "§"])
html = '<input name="csrf_token" value="§">'
headers = [["X-Api-Key", "§"]]
headers = {"X-Api-Key": "§"}
headers = {"Authorization": 'Digest username="b", response="§"'}
config = {"key": "§"}
API_KEY = "§"
secret_key: Final = "§"
settings.SECRET_KEY = '§'
password = os.environ.get("PW") or "§"
stripe.api_key = "§"
STRIPE_KEY = "§"
key = "3f9a7c1e5b2d4a6f8e0c§"
create_engine("postgres://u:p@ss/§@h/db")
""".splitlines()[1:]

HARMLESS = r"""
api.example.org: timed out
auth.example.org: no route to host
token.actions.example.com: timed out
Unexpected token: expected ')'
Unexpected token '<' in JSON
unexpected token "foo" at line 3
SyntaxError: unexpected token: 'x'
token: expected string
cache key: product:15
primary key: 5
foreign key: orders.customer_id
duplicate key: orders
Authentication: failed
Authentication: failed for user bob
authentication: required
max_tokens=100
prompt_tokens=1234 total_tokens: 2000
api_version=3
apiVersion: v1
auth_backend: django.contrib.auth.backends.ModelBackend
auth_method=ldap
session_engine=redis
cookie_name=sid
cookie_domain=example.org
token_url=https://example.org/oauth
token_type=bearer
password_field=pass1
routing_key=orders.new
sort_key=price
partition_key=customer
cache_key=user:15
primary_key=42
keyspace=main
keyspace: main
keyname: x
key=name
key: swordfish
KeyError: 'name'
KeyError: ('a', 'b')
key 'name' not found
no such key: name
cache key: user_profile_2024_01_05
release 41111111111111113b04c54574d18c28d46e6395
tests pass: 12, fail: 3
password: required
password: too short
token: expired
session: expired
credentials: invalid
Invalid credentials: not found
password must have 8 characters
password needs 1 digit and 1 upper-case letter
the password is wrong
password is required, and so is the user
password don't match
password (again) is missing
password %s, token {token}
WHERE password = $1 AND token = %s
password '%s' and token '{token}'
the password hash is no sha256
password md5 is not supported
password authentication failed for user "bob"
column "password" does not exist
relation "token" does not exist
secret sauce, secretary of the board
cookie 'sid' not set
session 'abc' closed
missing fields: ['password', 'email']
columns ["key", "name", "value"]
{"name": "colour", "value": "red"}
<input name="colour" value="red">
docker run -u 1000:1000 image
ssh -p 22 host
mysql --host db --user bob
curl -s -o out http://x/y
task_live_started sk-learn disk-usage ask-me-anything-you-want-to-know
git commit 356a192b7913b04c54574d18c28d46e6395428ab
design=flat signal=9
https://example.org/@bob
http://localhost:6379/0
redis://localhost:6379/0
Basic authentication, digest of news
hooks and webhooks
upward: wpw
""".strip().splitlines()

HARMLESS_SOURCE = r"""
key = 'name'
for key in ("a", "b"):
sort(key="price")
sorted(rows, key="price")
cookie_name = 'sid'
auth_backend = "ldap"
API_VERSION = "v1"
api_version = "3"
TOKEN_URL = "https://example.org/token"
PRIMARY_KEY = "id"
cache_key = f"user:{pk}"
cache_key = "user:15"
routing_key="orders.new"
if key == "name":
if "name" == key:
raise KeyError("name")
value = row["name"]
d = {"name": "x", "value": 1}
print("token ", x)
message = "token "+x+" is bad"
raise TypeError("Unexpected token: expected ')'")
raise ParseError("unexpected token 'x'")
log.error("password %s is wrong", x)
log.error(f"token '{token}' is wrong")
token = get_token("name")
password = form.cleaned_data.get("pw1_field")
login(request, user)
login("bob")
connect("shop.db")
self.connect(host, port)
signal.connect(handler, sender="x")
catalog("a", "b")
disconnect("a", "b")
setattr(x, "name", "bob")
if token and x1 == "a":
from x import token as t2
""".strip().splitlines()

# In halves, so that no scanner of repositories takes them for real ones.
VENDOR_KEYS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "gho_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "ghs_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_" + "11ABCDEFG0abcdefghijkl_mnopqrstuv",
    "glpat-" + "abcDEF123456ghiJKL78",
    "xoxb-" + "123456789012-abcdefABCDEF",
    "xoxp-" + "123456789012-abcdefABCDEF",
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "rk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "sk-" + "proj-abcdefGHIJKL1234567890",
    "AIza" + "SyA1234567890abcdefghijklmnopqrstu",
    "SG." + "abcdefghijklmnop.qrstuvwxyz0123456789",
    "npm_" + "abcdefghijklmnopqrstuvwxyz0123456789",
    "pypi-AgEI" + "cHlwaS5vcmcCJDAwMDAwMDAw",
    "ya29." + "a0AfH6SMBabcdefghijklmnop",
    "whsec_" + "abcdefghijklmnopqrstuvwxyz",
]

# Names that hold a sensitive one: harmless in prose, masked in structured data.
KEYS = ["key", "keyspace", "api.example.org", "data_key", "session_key", "old_key", "api_id", "auth_code"]
TOLD = ["cache_key", "max_tokens", "api_version", "auth_backend", "cookie_name", "apiUrl", "PUBLIC_KEY", "sort-key"]


@pytest.mark.parametrize("text", LEAKS)
def test_no_secret_is_left_in_text(text: str) -> None:
    """What a sceptic found is masked, and nothing is left to mask."""
    for secret in SECRETS:
        masked = SCRUBBER.text(text.replace("§", secret))
        assert secret not in masked
        assert MASKED.search(masked)
        assert SCRUBBER.text(masked) == masked


@pytest.mark.parametrize("line", SOURCE_LEAKS)
def test_no_secret_is_left_in_source(line: str) -> None:
    """Literals that are assigned, compared, passed by position or quoted in SQL go."""
    for secret in SECRETS:
        masked = SCRUBBER.source(line.replace("§", secret))
        assert secret not in masked
        assert SCRUBBER.source(masked) == masked


@pytest.mark.parametrize("text", HARMLESS)
def test_text_without_secrets_stays(text: str) -> None:
    """Hosts, settings' names, parsers' complaints and prose are kept: they help to mend."""
    assert SCRUBBER.text(text) == text


@pytest.mark.parametrize("line", HARMLESS_SOURCE)
def test_source_without_secrets_stays(line: str) -> None:
    """Dictionary keys, names of cookies, calls and templates are kept."""
    assert SCRUBBER.source(line) == line


@pytest.mark.parametrize("key", VENDOR_KEYS)
def test_keys_of_vendors_are_known_by_their_beginnings(key: str) -> None:
    """They are masked wherever they stand, without a name."""
    assert bare(SCRUBBER.text(key)) == MASK
    assert bare(SCRUBBER.text(f"sent {key}, refused")) == f"sent {MASK}, refused"
    assert bare(SCRUBBER.text(f"/v1/x({key})")) == f"/v1/x({MASK})"
    assert bare(SCRUBBER.source(f'    send("{key}")')) == f'    send("{MASK}")'
    assert bare(SCRUBBER.value("x", [key])) == [MASK]


def test_the_secret_half_of_an_aws_key_goes_with_its_id() -> None:
    """Forty characters of base64 are a secret where an access key's id stands beside; a commit's hash is none."""
    secret = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
    commit = "356a192b7913b04c54574d18c28d46e6395428ab"
    assert bare(SCRUBBER.text(f"AKIAIOSFODNN7EXAMPLE {secret} {commit}")) == f"{MASK} {MASK} {commit}"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T000/B000/§",
        "https://discord.com/api/webhooks/1234567890/§",
        "https://discordapp.com/api/v10/webhooks/1234567890/§",
    ],
)
def test_webhooks_lose_what_lets_others_post(url: str) -> None:
    """The host tells which webhook it is."""
    masked = SCRUBBER.text(f"POST {url.replace('§', 'hunter2secret')} failed")
    assert "hunter2" not in masked
    assert masked.startswith("POST https://")
    assert masked.endswith(" failed")


@pytest.mark.parametrize("key", KEYS)
def test_structured_data_is_masked_by_any_part_of_a_name(key: str) -> None:
    """Fields, JSON, dictionaries and queries follow the strict rule, whatever prose does."""
    assert bare(SCRUBBER.value(key, "x")) == MASK
    assert bare(SCRUBBER.query(f"{key}=x&b=2")) == f"{key}={MASK}&b=2"
    assert bare(SCRUBBER.text(f"{{'{key}': 'x'}}")) == f"{{'{key}': '{MASK}'}}"
    assert bare(SCRUBBER.text(f"GET /?{key}=x")) == f"GET /?{key}={MASK}"


@pytest.mark.parametrize("key", TOLD)
@pytest.mark.parametrize("value", ["x", "order 7", "https://api.example.org/v2", "2026-11", "ldap", "user:15", 4096])
def test_structured_data_keeps_settings_and_ordinary_keys(key: str, value: object) -> None:
    """Names that tell about a secret, or about a place in a table."""
    assert SCRUBBER.fields({key: value}) == {key: value}
    assert SCRUBBER.tags({key: value}) == {key: str(value)}
    assert SCRUBBER.text(f"{{'{key}': {value!r}}}") == f"{{'{key}': {value!r}}}"
    assert SCRUBBER.query(f"{key}={value}&b=2") == f"{key}={value}&b=2"


@pytest.mark.parametrize("key", TOLD)
@pytest.mark.parametrize("value", ["4f9a7c1e2b3d4f5a6b7c", "user:Zq7xKpV2mNb8LtR4", "dGhpc2lzYXNlY3JldA0k3y=="])
def test_structured_data_masks_under_those_what_a_machine_drew(key: str, value: str) -> None:
    """A public key may be a private one by mistake, a cache's key hold a session's."""
    assert bare(SCRUBBER.fields({key: [value]})) == {key: [MASK]}
    assert bare(SCRUBBER.value("x", {key: value.encode()})) == {key: MASK}
    assert bare(SCRUBBER.headers([(key, value)], frozenset({key.lower()})).popitem()[1]) == MASK
    assert value not in SCRUBBER.query(f"{key}={value}&b=2")
    assert value not in SCRUBBER.text(f"{{'{key}': {value!r}}}")


@pytest.mark.parametrize("start", ["", "POST / HTTP/1.1\r\nHost: a.example\r\n"])
def test_a_line_of_a_message_is_masked_to_its_end(start: str) -> None:
    """A header's value has blanks; elsewhere what is behind the first word is prose."""
    masked = SCRUBBER.text(f"{start}X-Secret-Word: ab hunter2 cd\r\nAccept: x\r\n\r\n")
    assert masked == f"{start}X-Secret-Word: [masked: secret]\r\nAccept: x\r\n\r\n"
    assert SCRUBBER.text("secret: ab is wrong\n") == "secret: [masked: secret] is wrong\n"


def test_keys_of_the_caller_are_masked_in_prose_too() -> None:
    """What was asked for explicitly is never taken for harmless."""
    scrubber = Scrubber(["tenant_name", "host"])
    assert bare(scrubber.text("tenant_name: x, db.host=y")) == f"tenant_name: {MASK}, db.host={MASK}"
