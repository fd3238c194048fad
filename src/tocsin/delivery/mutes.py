"""Mutes: `tocsin mute` leaves a file, since only the leader writes the state; the leader applies and removes it."""

from __future__ import annotations

import json
import os
import secrets
from datetime import datetime
from pathlib import Path

from tocsin import system
from tocsin.complaints import complain
from tocsin.routing.state import State
from tocsin.spool.folder import Folder

__all__ = ["apply_mutes", "request_mute"]


def request_mute(folder: Folder, fingerprint: str, until: datetime | None) -> Path:
    """Ask the leader to mute an issue until then, or (None) to unmute it; return the file that is gone when done."""
    folder.mutes.mkdir(mode=0o700, exist_ok=True)
    path = folder.mutes / f"{secrets.token_hex(8)}.json"
    hidden = path.with_name(f".{path.name}")
    fd = system.open_file(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(fd, "w") as file:
        json.dump({"fingerprint": fingerprint, "until": until.isoformat() if until else None}, file)
    hidden.rename(path)
    return path


def apply_mutes(folder: Folder, state: State, now: datetime) -> bool:
    """Apply what people asked for; return whether there was anything."""
    paths = sorted(folder.mutes.glob("*.json")) if folder.mutes.is_dir() else []
    for path in paths:
        try:
            wish = json.loads(path.read_text())
            if wish["until"] is None:
                state.unmute(wish["fingerprint"])
            else:
                state.mute(wish["fingerprint"], datetime.fromisoformat(wish["until"]))
        except (OSError, ValueError, KeyError, TypeError) as fault:
            complain("mutes", f"{path} is no request to mute: {fault}")
        system.remove(path)
    return bool(paths)
