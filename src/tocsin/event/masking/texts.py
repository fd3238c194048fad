"""Masking of texts: a text, a query, a URL or a line of source goes in; the same leaves without its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, unquote_plus

from tocsin.event import limits
from tocsin.event.masking.assignments import mask_assignments
from tocsin.event.masking.entropy import holds_random
from tocsin.event.masking.marks import MASKED, is_mask, mask_for
from tocsin.event.masking.own_rules import MaskingRule, OwnPatterns
from tocsin.event.masking.patterns import has_shape, mask_shapes
from tocsin.event.masking.phrases import has_phrase, mask_phrases
from tocsin.event.masking.sensitive import Grade, SensitiveKeys
from tocsin.event.masking.source_lines import calls_a_door, mask_code, mask_traced
from tocsin.event.typename import describe_value

__all__ = ["OVERLAP_CHARS", "PASSES", "TextScrubber", "clip", "strict"]

OVERLAP_CHARS: Final = 512  # looked at past a cut, so that what marks a secret is not cut off it
PASSES: Final = 4  # until nothing changes; one is enough for all but contrived texts
_ENCODED_DEPTH: Final = 4
_ENCODED_RUN: Final = re.compile(rf"""(?:{MASKED.pattern}|[^\s"'<>])++""")  # a mask's sort has blanks
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PLUS: Final = re.compile(r"=[^\s&=]{0,300}?[\w\-]\+")  # a form's blank
# & ' + < = > " @, as writers for web pages escape them
_JSON_SIGN: Final = re.compile(r"\\+u00(2[67bB]|3[c-eC-E]|22|40)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_COMMANDS: Final = re.compile(r"curl|mysql|mariadb|sshpass|redis-cli|login")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,20}m")
_ENTITY: Final = re.compile(r"&(?:amp;){0,3}(?:(lt)|gt);")
_CUT_MASK: Final = re.compile(r"\[(?:m(?:a(?:s(?:k(?:e(?:d(?:: ?[A-Za-z0-9 ._\-]{0,40})?)?)?)?)?)?)?\Z")


def strict(text: str) -> str:
    """Return ``text`` without lone surrogates, which strict JSON decoders refuse."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def clip(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, the last one ``…`` where something is missing."""
    if len(text) <= limit:
        return text
    return _CUT_MASK.sub("", text[: limit - 1]) + "…"


class TextScrubber:
    """Mask secrets by name and by shape in texts. With ``is_on`` false texts are made strict and bounded all the same.

    Law: masking what is masked changes nothing. Thread-safe.
    """

    def __init__(
        self, extra_keys: Iterable[str] = (), rules: Iterable[MaskingRule] = (), *, is_on: bool = True
    ) -> None:
        rules = tuple(rules)
        self._keys = SensitiveKeys(extra_keys, rules)
        self._own = OwnPatterns(rules)
        self._names: dict[str, str] = {}
        self.is_on: Final = is_on

    def covers(self, name: str) -> bool:
        """Return whether this name is looked upon as a secret's, by the strictest of rules; `hides` asks the value."""
        return self.is_on and self._keys.covers(name)

    def hides(self, name: str, value: object) -> str:
        """Return what stands for ``value`` under this name in structured data, "" where it is shown.

        Under the name of a setting that only tells of a secret, or of an ordinary key, texts go that look random.
        """
        grade = self._keys.structured(name) if self.is_on else Grade.KEPT
        if grade and type(value) is str and is_mask(value):
            return value
        if not grade or (grade is Grade.MASKED_IF_RANDOM and not _is_random(value)):
            return ""
        return self._keys.mask(name)

    def text(self, text: str, limit: int | None = None) -> str:
        """Mask a text by value; with ``limit``, return that many characters at most."""
        if type(text) is not str:
            # A slice of one derived from str is exact, and no copy of the whole.
            bound = slice(None if limit is None else limit + OVERLAP_CHARS + 1)
            text = str.__getitem__(text, bound) if issubclass(type(text), str) else describe_value(text)
        if not text:
            return text
        if limit is not None and len(text) > limit + OVERLAP_CHARS:
            text = text[: limit + OVERLAP_CHARS]
        text = self._masked(strict(text))
        if limit is None or len(text) <= limit:
            return text
        for _ in range(PASSES):  # a cut may leave half a quotation, which reads differently
            cut = clip(text, limit)
            text = self._masked(cut)
            if text == cut:
                break
        return clip(text, limit)

    def is_clean(self, text: str) -> bool:
        """Return quickly whether `text` would leave this text, and every line of it, as they are."""
        return (text.isascii() or strict(text) == text) and not (self.is_on and self._is_suspect(text))

    def name(self, text: str) -> str:
        """Mask what names something: `text` with the limit `NAME_CHARS`, looked up where it came by before.

        Most of what an event holds (application, host, logger, type, thread) is the same each time, and to look for
        secrets in it takes 5 µs a word. Short texts only, at most `CACHED_NAMES` of them.
        """
        known = self._names.get(text) if type(text) is str else None
        if known is not None:
            return known
        masked = self.text(text, limits.NAME_CHARS)
        if type(text) is str and len(text) <= limits.NAME_CHARS:
            if len(self._names) >= limits.CACHED_NAMES:
                self._names.clear()
            self._names[text] = masked
        return masked

    def query(self, query: str) -> str:
        """Mask a query string: sensitive parameters by name, the others by value."""
        query = strict(query[: limits.QUERY_CHARS + OVERLAP_CHARS])
        if not self.is_on or not query:
            return clip(query, limits.QUERY_CHARS)
        for _ in range(PASSES):  # also a cut may leave what reads differently
            masked = clip(self.text("&".join(map(self._parameter, query.split("&")))), limits.QUERY_CHARS)
            if masked == query:
                break
            query = masked
        return query

    def url(self, url: str, limit: int = limits.QUERY_CHARS) -> str:
        """Mask a URL: its user information, its query, its fragment."""
        url = url[: limits.QUERY_CHARS]
        for _ in range(PASSES):
            rest, hash_sign, fragment = url.partition("#")
            base, mark, query = rest.partition("?")
            parts = f"{self.text(base)}{mark}{self.query(query)}{hash_sign}{self.query(fragment)}"
            masked = clip(self.text(parts), limit)
            if masked == url:
                break
            url = masked
        return url

    def source(self, line: str) -> str:
        """Mask one line of Python source."""
        line = strict(line[: limits.SOURCE_LINE_CHARS + OVERLAP_CHARS]).rstrip()
        if self.is_on and (self._is_suspect(line) or calls_a_door(line)):
            for _ in range(PASSES):
                masked = mask_code(mask_shapes(self._own.mask(line, within_words=False)), self._keys)
                masked = self._mask_encoded(self._own.mask(masked), _ENCODED_DEPTH)
                masked = clip(masked.rstrip(), limits.SOURCE_LINE_CHARS)  # what was decoded may end in blanks
                if masked == line:
                    break
                line = masked
        return clip(line, limits.SOURCE_LINE_CHARS)

    def _parameter(self, part: str) -> str:
        name, sign, value = part.partition("=")
        mask = self.hides(unquote_plus(name), unquote_plus(value)) if sign and value not in ("", "…") else ""
        return f"{name}={mask}" if mask else self.text(part)

    def _is_suspect(self, text: str) -> bool:
        lowered = text.lower()
        if self._own and self._own.occurs_in(text):
            return True
        if "\x1b[" in text or has_shape(text, lowered) or ("%" in text and _ESCAPE.search(text)):
            return True
        if ("+" in text and _PLUS.search(text)) or ("\\u00" in text and _JSON_SIGN.search(text)):
            return True
        is_told = "=" in text or ":" in text or "--" in text or "," in text
        is_told = is_told or "</" in text or "lt;/" in text or has_phrase(text, lowered)
        if is_told and self._keys.occurs_in(lowered):
            return True
        return "identified " in lowered or ("-" in text and _COMMANDS.search(text) is not None)

    def _masked(self, text: str) -> str:
        if not self.is_on:
            return text
        if 'File "' in text and "\n" in text:
            text = mask_traced(text, self.source)
        return self._mask(text, _ENCODED_DEPTH) if self._is_suspect(text) else text

    def _mask(self, text: str, depth: int) -> str:
        for _ in range(PASSES):
            masked = self._mask_escaped(text, depth)  # first: `password \\u003d` reads as a word that is told
            masked = mask_shapes(self._own.mask(masked, within_words=False))
            masked = self._own.mask(mask_phrases(mask_assignments(masked, self._keys), self._keys))
            masked = self._mask_encoded(masked, depth)
            if masked == text:
                break
            text = masked
        return text

    def _mask_escaped(self, text: str, depth: int) -> str:
        """Mask what JSON's and HTML's escapes and colours hide; a text that holds a secret is left without them."""
        if not depth or not ("\\u00" in text or "\x1b[" in text or "lt;/" in text):
            return text
        decoded = _JSON_SIGN.sub(lambda match: chr(int(match[1], 16)), _COLOUR.sub("", text))
        if "lt;/" in decoded:
            decoded = _ENTITY.sub(lambda match: "<" if match[1] else ">", decoded)
        if decoded == text or not self._is_suspect(decoded):
            return text
        masked = self._mask(decoded, depth - 1)
        return text if masked == decoded else masked

    def _mask_encoded(self, text: str, depth: int) -> str:
        """Mask what percent-encoding hides; a run that holds a secret is left decoded."""
        is_form = "+" in text and _PLUS.search(text) is not None
        if not is_form and ("%" not in text or _ESCAPE.search(text) is None):
            return text
        return _ENCODED_RUN.sub(lambda match: self._masked_run(match[0], depth), text)

    def _masked_run(self, run: str, depth: int) -> str:
        is_form = "+" in run and _PLUS.search(run) is not None
        if not is_form and ("%" not in run or _ESCAPE.search(run) is None):
            return run
        if depth == 0:
            return mask_for("encoded text") if "%" in run else run  # nobody encodes five times but to hide something
        for decode in (unquote_plus, unquote) if is_form else (unquote,):
            decoded = decode(run)
            if decoded != run and self._is_suspect(decoded):
                masked = self._mask(decoded, depth - 1)
                if masked != decoded:
                    return _CONTROL.sub(" ", masked)
        return run


def _is_random(value: object) -> bool:
    if type(value) is str:
        return holds_random(value[: limits.FIELD_CHARS])
    return type(value) is bytes and holds_random(value[: limits.FIELD_CHARS].decode("latin-1"))
