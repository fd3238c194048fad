"""A file's bytes go in; git's names of that content leave, by the length of an id."""

from __future__ import annotations

import hashlib

__all__ = ["SHOWN", "blob_ids"]

#: So many digits of a blob's id by the length of the repository's ids: told apart by what is before them.
SHOWN = {40: 12, 64: 13}


def blob_ids(data: bytes) -> dict[int, str]:
    """Return the first digits of the content's id in repositories of SHA-1 (12 of them) and of SHA-256 (13)."""
    named = b"blob %d\0" % len(data) + data
    sha1 = hashlib.sha1(named, usedforsecurity=False).hexdigest()
    return {SHOWN[40]: sha1[: SHOWN[40]], SHOWN[64]: hashlib.sha256(named).hexdigest()[: SHOWN[64]]}
