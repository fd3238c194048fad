"""Where the spool is: the setting, the environment and the user go in, a path and whether it is a stopgap leave.

Nothing is created here; the spool does that, and refuses a folder that is a link or another user's.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["SpoolPlace", "folder_name", "is_served", "private_fault", "spool_place"]

# A home below one of these is a web server's; crash reports in it would be a URL away.
_WEB_FOLDERS: Final = frozenset({"www", "public_html", "htdocs", "httpdocs", "wwwroot", "webroot"})
# A home that holds one of these is a document root itself. A `public_html` *within* a home says nothing: then only
# that folder is served, and the state directory beside it is the better place than a temporary one.
_WEB_FILES: Final = ("index.html", "index.htm", "index.php", "index.cgi", ".htaccess", "wp-config.php")


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """Say where the spool is and why. ``is_temporary`` is to be told once; a ``fault`` forbids the place."""

    path: str
    reason: str
    is_temporary: bool = False
    fault: str = ""


# Names that are devices on Windows, whatever follows the first dot.
_DEVICES: Final = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(?:\..*)?", re.IGNORECASE)


def spool_place(
    spool: str,
    application: str,
    environ: Mapping[str, str],
    uid: int,
    home: str | None = None,
    *,
    is_windows: bool = sys.platform == "win32",
) -> SpoolPlace:
    """Return the place for an application's spool, by the first rule that applies.

    ``spool`` is the setting, absolute or ``""``; ``uid`` the effective user's. ``home`` is the home by the system's
    records, asked where ``$HOME`` can't be written to: a server started by root that then becomes another user keeps
    root's.
    """
    if spool:
        return SpoolPlace(spool, "the setting spool")
    name = folder_name(application)
    if is_windows:
        return _place_on_windows(environ, name)
    state = Path(environ.get("STATE_DIRECTORY", "").split(":")[0])
    if state.is_absolute():
        return SpoolPlace(str(state / "tocsin" / name), "$STATE_DIRECTORY")
    for folder, reason in _state_folders(environ, _recorded_home(uid) if home is None else home):
        return SpoolPlace(str(folder / "tocsin" / name), reason)
    path = str(_temporary(environ) / f"tocsin-{uid}-{name}")
    return SpoolPlace(path, "no state directory of this user will do", True, private_fault(path, uid))


def folder_name(application: str) -> str:
    """Return an application's name as one harmless folder name; different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", application).lstrip(".")[:64]
    # The last two are for Windows, which drops a dot at the end.
    if plain and plain == application and not _DEVICES.fullmatch(plain) and not plain.endswith("."):
        return plain
    return f"{plain}-{hashlib.blake2b(application.encode(), digest_size=4).hexdigest()}"


def is_served(home: str) -> bool:
    """Return whether a home looks as if a web server showed its files."""
    real = Path(os.path.realpath(home))
    if not _WEB_FOLDERS.isdisjoint(part.lower() for part in real.parts):
        return True
    return any(os.access(real / name, os.F_OK) for name in _WEB_FILES)


def private_fault(path: str, uid: int) -> str:
    """Return why a temporary folder can't be trusted; ``""`` where it can, or is not there yet."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return ""
    except OSError as fault:
        return f"{path} can't be looked at ({fault.strerror}); set `spool` to a folder of your own"
    if stat.S_ISLNK(status.st_mode) or not stat.S_ISDIR(status.st_mode):
        return f"{path} is no folder but something somebody put there; remove it or set `spool`"
    if status.st_uid != uid:
        return f"{path} belongs to user {status.st_uid}, not to {uid}; remove it or set `spool`"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return f"{path} is open to others ({stat.S_IMODE(status.st_mode):04o}); remove it or set `spool`"
    return ""


def _place_on_windows(environ: Mapping[str, str], name: str) -> SpoolPlace:
    """Return a place in the user's local (not roaming) application data, else in the user's temporary folder."""
    local = Path(environ.get("LOCALAPPDATA", ""))
    if local.is_absolute() and _is_writable(local) and not is_served(str(local)):
        return SpoolPlace(str(local / "tocsin" / name), "%LOCALAPPDATA%")
    for variable in ("TEMP", "TMP"):
        folder = Path(environ.get(variable, ""))
        if folder.is_absolute() and _is_writable(folder):
            return SpoolPlace(str(folder / f"tocsin-{name}"), "there is no %LOCALAPPDATA% that will do", True)
    fault = "neither %LOCALAPPDATA% nor %TEMP% names a folder that can be written to; set `spool` to one"
    return SpoolPlace(name, "no folder of this user will do", True, fault)


def _state_folders(environ: Mapping[str, str], home: str) -> Iterator[tuple[Path, str]]:
    """Yield the user's state directories that will do, the best first."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if state.is_absolute() and _is_writable(state) and not is_served(str(state)):
        yield state, "$XDG_STATE_HOME"
    for folder in (Path(environ.get("HOME", "")), Path(home)):
        # "/" is the home of many a service user and no place for a `.local`; others' home does not exist.
        if folder.is_absolute() and folder != folder.parent and os.access(folder, os.F_OK):
            state = folder / ".local" / "state"
            if _is_writable(state) and not is_served(str(folder)):
                yield state, "the user's state directory"


def _is_writable(path: Path) -> bool:
    """Return whether ``path``, or the folder it would be created in, can be written to."""
    # By access, since Path.exists raises within a folder that may not be entered, such as root's home.
    while not os.access(path, os.F_OK) and path != path.parent:
        path = path.parent
    return os.access(path, os.W_OK | os.X_OK) and path.is_dir()


def _recorded_home(uid: int) -> str:
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(uid).pw_dir
    except (ImportError, KeyError):
        return ""


def _temporary(environ: Mapping[str, str]) -> Path:
    # Not tempfile.gettempdir(), which writes a file to find out. /var/tmp outlives a reboot; /tmp may be memory.
    for folder in (Path(environ.get("TMPDIR", "")), Path("/var/tmp")):
        if folder.is_absolute() and _is_writable(folder):
            return folder
    return Path("/tmp")
