"""An event and the fingerprint it was spooled with go in; what other rules call the same fault leaves."""

from __future__ import annotations

from dataclasses import replace

from tocsin.event.identity.fingerprint import fingerprint, former
from tocsin.event.model import Event

__all__ = ["kin"]


def kin(event: Event, spooled: str, *, with_unruled: bool = False) -> tuple[str, ...]:
    """Return the fingerprints by which an open issue of the same fault may be known, the likeliest first.

    Those of other versions of tocsin: earlier ones, and for what an older process spooled the present one. With
    ``with_unruled``, also what it would be without a name of the application's own, as a rule in force for a few days
    only may have given it one.
    """
    version = spooled.partition(":")[0]
    # One of the version it was spooled with is not computed anew: a hook may have changed the event since.
    found = [key for key in (fingerprint(event), *former(event)) if key.partition(":")[0] != version]
    if name := event.custom_fingerprint:
        plain = replace(event, custom_fingerprint="")
        usual, *before = fingerprint(plain), *former(plain)
        if usual in name:  # a rule that tells apart further what the usual ones do
            for earlier in before:
                found += former(replace(event, custom_fingerprint=name.replace(usual, earlier)))
        if with_unruled:
            found += [usual, *before]
    return tuple(dict.fromkeys(key for key in found if key != spooled))
