"""The spool's folder: a path goes in; a private folder on a local disk, its names and its sizes leave."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tocsin import system
from tocsin.event.errors import StoreError

__all__ = ["Folder", "GenerationPath", "user_name"]

# Locks and counters of these can't be trusted, or only with luck.
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ncpfs", "9p", "ceph", "coda", "lustre", "gpfs", "beegfs"}
    | {"orangefs", "davfs", "afpfs", "webdav", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone"}
    | {"fuse.gcsfuse", "fuse.davfs2", "fuse.curlftpfs", "network drive"}
)
_SEGMENT: Final = re.compile(r"([0-9a-f]{18})-([0-9]{6})\.events")
_FLIGHT: Final = re.compile(r"([0-9a-f]{18})\.flight")


class GenerationPath(NamedTuple):
    """Name one generation of one process; sorts by the process's start, then by age."""

    folder: Path
    process: str
    generation: int

    @property
    def events(self) -> Path:
        """Return the segment's path."""
        return self.folder / f"{self.process}-{self.generation:06d}.events"

    @property
    def counts(self) -> Path:
        """Return the counter file's path."""
        return self.folder / f"{self.process}-{self.generation:06d}.counts"


class Folder:
    """Know the files of one spool. Creating and checking is `prepare`; everything else only reads."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.leader_lock = self.path / "leader.lock"
        self.leader_wish = self.path / "leader.wish"
        self.state = self.path / "state.sqlite"
        self.mutes = self.path / "mutes"
        self.dead_letters = self.path / "dead-letters"

    def prepare(self) -> None:
        """Create the folder, for this user alone, whatever the umask. Raises StoreError where it can't be a spool."""
        try:
            for folder in reversed((self.path, *self.path.parents)):  # `parents=True` would leave these to the umask
                if not folder.exists():
                    system.make_folder(folder)
            status = self.path.lstat()
        except OSError as fault:
            raise StoreError(f"the spool {self.path} can't be made: {fault.strerror}; set `spool` elsewhere") from fault
        if stat.S_ISLNK(status.st_mode):
            raise StoreError(f"the spool {self.path} is a symbolic link; name the folder itself")
        if not stat.S_ISDIR(status.st_mode):
            raise StoreError(f"the spool {self.path} is no folder; set `spool` elsewhere")
        self.require_owner(status)
        if system.HAS_MODES and stat.S_IMODE(status.st_mode) != 0o700:
            self.path.chmod(0o700)
        kind = system.file_system(self.path)
        if kind in _NETWORK:
            raise StoreError(f"the spool {self.path} is on a network file system ({kind}); set `spool` to a local disk")

    def require_owner(self, status: os.stat_result | None = None) -> None:
        """Raise StoreError unless the folder belongs to the user this process runs as."""
        owner = (status or self.path.stat()).st_uid
        if owner != system.user_id():
            name, own = user_name(owner), user_name(system.user_id())
            raise StoreError(
                f"the spool {self.path} belongs to {name}, this process runs as {own}; run a command as {name} "
                f"(sudo -u {name} …), give an application the folder (chown -R {own} {self.path}) or another `spool`"
            )

    def require_founder(self) -> None:
        """Raise StoreError where root would make a spool below a folder of another user, whose application it is for.

        For commands only: an application that runs as root has its spool wherever it likes.
        """
        above = next(folder for folder in self.path.parents if folder.exists())
        owner = above.stat().st_uid
        if not self.path.exists() and system.user_id() == 0 and owner != 0:
            name = user_name(owner)
            raise StoreError(
                f"there is no spool at {self.path} yet, and {above} belongs to {name}: made by root, it would lock "
                f"the application out; run this as {name} (sudo -u {name} …)"
            )

    @property
    def is_spool(self) -> bool:
        """Tell whether the folder holds a spool's files, or is empty and could."""
        names = {path.name for path in self.path.iterdir()}
        own = {self.leader_lock.name, self.leader_wish.name, self.state.name, self.mutes.name}
        ends = (".events", ".live", ".flight")
        return not names or not own.isdisjoint(names) or any(name.endswith(ends) for name in names)

    def live(self, process: str) -> Path:
        """Return the path of a process's live file, locked as long as the process lives."""
        return self.path / f"{process}.live"

    def flight(self, process: str) -> Path:
        """Return the path of what says which requests a process is in, locked as long as the process lives."""
        return self.path / f"{process}.flight"

    def crash(self, process: str) -> Path:
        """Return the path of what a process writes when it crashes."""
        return self.path / f"{process}.crash"

    def flights(self) -> list[str]:
        """Return the processes that left, or have, a flight file, the oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self.path) if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return sorted(match[1] for match in map(_FLIGHT.fullmatch, names) if match)

    def generations(self) -> Iterator[GenerationPath]:
        """Yield every published generation, the oldest process first."""
        try:
            # Links, pipes and folders are nobody's segments, and reading them might never end.
            names = sorted(entry.name for entry in os.scandir(self.path) if entry.is_file(follow_symlinks=False))
        except FileNotFoundError:
            return
        for name in names:
            match = _SEGMENT.fullmatch(name)
            if match:
                yield GenerationPath(self.path, match[1], int(match[2]))

    def processes(self) -> set[str]:
        """Return the processes that have a live file, dead or alive."""
        try:
            # By pathlib it takes six times as long, and a leader looks at every step.
            names = [entry.name for entry in os.scandir(self.path)]
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return set()
        return {name[:-5] for name in names if name.endswith(".live") and name[0] != "."}  # else not yet published

    def event_bytes(self) -> int:
        """Return what segments and counters take: what `spool_max_mb` bounds. The state has bounds of its own."""
        return self.size_bytes(but=self.state.name)

    def size_bytes(self, but: str = "") -> int:
        """Return what the spool's files take, as far as they can be read; ``but`` those whose names begin so."""
        total = 0
        with os.scandir(self.path) as entries:
            for entry in entries:
                if but and entry.name.startswith(but):
                    continue
                try:
                    total += entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # removed between the listing and the look
        return total


def user_name(uid: int) -> str:
    """Return the name of a user, the number where the system knows none."""
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)
