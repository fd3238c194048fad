"""The rules of masking, as data: which names are sensitive, which of those are harmless, what vendors' keys look like.

All that is masked by default is in these tables and in the shapes of `patterns`; what an application adds is checked
in `ownrules`. ``sort`` is what a mask says: ``[masked: password]``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "DEFAULT_KEYS",
    "HARMLESS",
    "NAMES",
    "ORDINARY_KEYS",
    "ORDINARY_KEYS_IN_TEXT",
    "SETTINGS_OF_SECRETS",
    "SHORT_NAMES",
    "VENDORS",
    "NameRule",
    "VendorRule",
]


class NameRule(NamedTuple):
    """Mask the value of every name that holds one of these words, ``-`` and ``_`` alike, in any case."""

    sort: str
    words: tuple[str, ...]


class VendorRule(NamedTuple):
    """Mask what begins as a vendor's keys do, so that they can be found; a regular expression without groups."""

    sort: str
    pattern: str


# The first that a name holds tells its sort: a `csrf_token` is one for forms, a `private_key` is no key of a dict.
NAMES: Final = (
    NameRule("CSRF token", ("csrf", "xsrf")),
    NameRule("cookie", ("cookie",)),
    NameRule("session", ("session", "phpsessid", "connect.sid", "connect_sid")),
    NameRule("password", ("passwd", "pass", "pwd")),
    NameRule("signature", ("signature",)),
    NameRule("credential", ("credential",)),
    NameRule("token", ("token",)),
    NameRule("secret", ("secret",)),
    NameRule("private", ("private",)),
    NameRule("API key", ("api_key", "apikey")),
    NameRule("authorization", ("auth",)),
    NameRule("API", ("api",)),
    NameRule("key", ("key",)),
)
DEFAULT_KEYS: Final = tuple(
    word
    for rule in NAMES
    for word in rule.words
    if rule.sort != "API key"  # which "api" covers
)

# Abbreviations too short to be looked for anywhere in a name: they count alone, or behind `_` and `.`.
SHORT_NAMES: Final = (NameRule("password", (r"pw\d{0,2}",)), NameRule("signature", ("sig",)))

# Words that hold a sensitive one by accident. They are cut out before the search, so that `author_token` is
# still masked; `author` is left in `authorization`.
HARMLESS: Final = (
    "author(?!i)", "authorit", "authentic(?!at)", "(?:mon|don|turn?|jer)key", "(?:hoc|joc|hic|whis|tric)key",
    "key(?:board|word|note|stroke|stone|frame|point|pad|error)", "tokeni[sz]",
    "pass(?:enger|age|ive|ion|ed|es|ing|able)", "(?:by|com|sur|encom|tres)pass(?!w|phr|code|key)",
    "apiece", "capit", "rapid", "therapi", "papi", "secretar", "(?:ob|pos)session", "unauthorized(?=$)",
)  # fmt: skip

# What ends, or begins, a setting's name: it tells about a secret, its value is none. Hidden if it looks drawn by a
# machine (`Grade.MASKED_IF_RANDOM`) in structured data, kept in prose and code.
SETTINGS_OF_SECRETS: Final = (
    r"_(?:version|urls?|uri|endpoint|method|backends?|names?|fields?|columns?|domain|types?|class|algorithm|scheme|"
    r"hosts?|port|path|dir|file|format|policy|limit|prefix|func|enabled|required|expired|valid|invalid|"
    r"expires|expiry|age|status|attempts|retries|index|scopes?|provider|engine|module|plugin|middleware|created|"
    r"updated|region)$",
    r"^(?:is|has|num|max|min|total)_\w*?(?<!password)(?<!secret)(?<!token)(?<!key)$",
)

# What stands before `key` where it opens no door: `cache_key`, `primary_key`. Their values go if they look drawn by a
# machine: `public_key`, `idempotency_key`.
ORDINARY_KEYS: Final = (
    "routing", "cache", "primary", "foreign", "sort", "partition", "range", "hash", "group", "order", "object", "row",
    "column", "unique", "composite", "natural", "surrogate", "public", "dict", "dictionary", "map", "lookup", "index",
    "field", "form", "translation", "message", "topic", "queue", "binding", "join", "parent", "child", "candidate",
    "record", "entity", "item", "metric", "event", "feature", "idempotency", "dedup", "sharding", "shard", "unknown",
    "missing", "duplicate", "invalid", "sub", "tag", "label", "attribute", "property",
)  # fmt: skip
# Those that count in prose and code only, where most keys are a dictionary's.
ORDINARY_KEYS_IN_TEXT: Final = (
    "bucket", "config", "setting", "settings", "data", "extra", "json", "env", "header", "other", "old", "new", "first",
    "last", "next", "prev", "max", "min", "num", "n", "current", "wrong", "expected", "by", "this", "the",
)  # fmt: skip

VENDORS: Final = (
    VendorRule("AWS key", r"A[KS]IA[A-Z0-9]{12,}+"),
    VendorRule("GitHub token", r"gh[opsur]_[A-Za-z0-9]{10,}+|github_pat_\w{10,}+"),
    VendorRule("GitLab token", r"glpat-[\w\-]{10,}+"),
    VendorRule("Slack token", r"xox[a-z](?:\.xox[a-z])?-[\w\-]{8,}+|xapp-[\w\-]{10,}+"),
    VendorRule("Stripe key", r"[rs]k_(?:live|test)_\w{8,}+|whsec_[\w+/=\-]{8,}+"),
    VendorRule("API key", r"sk-(?=[\w\-]{0,64}\d)[\w\-]{20,}+"),  # of OpenAI, and those that took the form over
    VendorRule("Google key", r"AIza[\w\-]{20,}+|ya29\.[\w.\-]{10,}+"),
    VendorRule("SendGrid key", r"SG\.[\w\-]{10,}+\.[\w\-]{10,}+"),
    VendorRule("npm token", r"npm_[A-Za-z0-9]{20,}+"),
    VendorRule("PyPI token", r"pypi-AgEI[\w\-]{8,}+"),
)
