"""The kernel's count of out-of-memory kills: this process's control group goes in; where its count is, and it, leave.

Linux has one per control group (`memory.events`, in version 1 `memory.oom_control`); elsewhere nothing is known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["KillCount", "kills", "present"]

_MOUNT: Final = Path("/sys/fs/cgroup")
_SELF: Final = Path("/proc/self/cgroup")
_ENTRY: Final = "oom_kill "


class KillCount(NamedTuple):
    """Name the file of a count. The inode tells it from another container's of the same path."""

    path: str
    inode: int


def present() -> tuple[str, int, int] | None:
    """Return (path, inode, kills) of this process's group; None where nobody counts, or it can't be seen from here."""
    for path in _candidates():
        count = _at(path)
        number = None if count is None else kills(count)
        if count is not None and number is not None:
            return (*count, number)
    return None


def kills(count: KillCount) -> int | None:
    """Return how many processes of the group the kernel has killed for want of memory; None if that can't be told."""
    try:
        path = Path(count.path)
        if path.stat().st_ino != count.inode:
            return None
        lines = path.read_text(encoding="ascii").splitlines()
        return next((int(line[len(_ENTRY) :]) for line in lines if line.startswith(_ENTRY)), None)
    except (OSError, ValueError):
        return None


def _candidates() -> list[Path]:
    """Return where the count may lie; within a container its group may be mounted as if it were the root."""
    try:
        lines = _SELF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = []
    for line in lines:
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        inside = group.strip("/")
        if not controllers:
            paths += [_MOUNT / inside / "memory.events", _MOUNT / "memory.events"]
        elif "memory" in controllers.split(","):
            mount = _MOUNT / "memory"
            paths += [mount / inside / "memory.oom_control", mount / "memory.oom_control"]
    return paths


def _at(path: Path) -> KillCount | None:
    try:
        return KillCount(str(path), path.stat().st_ino)
    except OSError:
        return None
