"""POSIX: paths and descriptors go in, what IEEE Std 1003.1 makes of them leaves. Linux and macOS.

Locks are record locks (fcntl): not inherited over fork, unlike flock, whose lock lives on in every forked child. Their
trap is that closing *any* descriptor of the file gives the lock up, so a file locked here is never opened a second time
by the same process: `is_locked` looks the inode up first.
"""

# mypy: disable-error-code="unreachable"
from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    raise ImportError("for POSIX systems only")

import fcntl
import select
import signal

from tocsin.system.native import native

__all__ = [
    "HAS_MODES",
    "NOFOLLOW",
    "NONBLOCK",
    "allocate",
    "close_locked",
    "file_system",
    "is_in_place",
    "is_locked",
    "is_read_only",
    "is_removable",
    "is_removed",
    "let_faults_through",
    "lock",
    "make_folder",
    "open_file",
    "remove",
    "set_mode",
    "sync_data",
    "user_id",
    "write_at",
    "write_promptly",
]

HAS_MODES: Final = True  # permission bits and owners mean something
NOFOLLOW: Final = os.O_NOFOLLOW
NONBLOCK: Final = os.O_NONBLOCK

_PROMPTLY_MS: Final = 50
_NONE_LEFT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_FAULTS: Final = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})  # abort() sees to its own

_held: dict[tuple[int, int], int] = {}  # (device, inode) -> pid that holds it
_hooked: list[int] = []


# -- files -------------------------------------------------------------------------------------------------


def open_file(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """Return a descriptor that no program started from here inherits. Others may rename and remove the file."""
    return os.open(path, flags | os.O_CLOEXEC, mode)


def make_folder(path: Path) -> None:
    """Create a folder for this user alone; one that is there stays as it is."""
    path.mkdir(mode=0o700, exist_ok=True)


def allocate(fd: int, size: int) -> None:
    """Give a new file its size, with the space on the disk, so that what is counted on a full one finds its place."""
    os.posix_fallocate(fd, 0, size)


def write_at(fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write at ``offset``; return how many bytes were taken."""
    return os.pwrite(fd, data, offset)


def write_promptly(fd: int, data: bytes) -> int:
    """Write, but wait for no reader longer than a moment; return how many bytes were taken. Raises OSError.

    What doesn't fit is dropped. Takes no lock of the interpreter's, as its own files do, which a fork leaves held, and
    which a thread that is cut off by the interpreter's end leaves held for whoever writes last.
    """
    poll = native("select", "poll")()
    poll.register(fd, select.POLLOUT)
    taken = 0
    while taken < len(data) and poll.poll(_PROMPTLY_MS):
        # So much a pipe takes at once, or says that it doesn't.
        written = os.write(fd, data[taken : taken + select.PIPE_BUF])
        taken += written
        if not written:
            break
    return taken


def sync_data(fd: int) -> None:
    """Force a file's data to the disk."""
    os.fdatasync(fd)


def set_mode(fd: int, mode: int) -> None:
    """Set a file's permissions, whatever the umask."""
    os.fchmod(fd, mode)


def remove(path: Path) -> None:
    """Remove a file; one that is gone already is fine."""
    path.unlink(missing_ok=True)


def is_removable(path: Path) -> bool:
    """Tell whether others leave this file free to be removed: always, here."""
    return True


def is_in_place(fd: int, path: Path) -> bool:
    """Tell whether the path still names the open file."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def is_removed(fd: int) -> bool:
    """Tell whether somebody has removed an open file."""
    return os.fstat(fd).st_nlink == 0


def is_read_only(path: Path) -> bool:
    """Tell whether the path lies on a disk that is mounted read-only."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def file_system(path: Path) -> str:
    """Return the type of the file system below ``path`` by the longest mount point; "" where unknown."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ")
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


# -- locks -------------------------------------------------------------------------------------------------


def lock(fd: int) -> bool:
    """Lock an open file for this process; return False where another one has it. Raises OSError."""
    if not _hooked:  # pids alone would not do: a child in a namespace of its own may have the same
        _hooked.append(1)
        os.register_at_fork(after_in_child=_held.clear)
    status = os.fstat(fd)
    key = status.st_dev, status.st_ino
    _held[key] = os.getpid()  # before the lock is taken: a look at the file in between would give it up again
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as fault:
        _held.pop(key, None)
        if isinstance(fault, BlockingIOError):
            return False
        raise
    return True


def close_locked(fd: int) -> None:
    """Close a file that this process locked, and with it give the lock up."""
    status = os.fstat(fd)
    _held.pop((status.st_dev, status.st_ino), None)
    os.close(fd)


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock on ``path``; takes nothing, creates nothing."""
    try:
        status = path.stat()
        if _held.get((status.st_dev, status.st_ino)) == os.getpid():
            return True
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as fault:
        return fault.errno in _NONE_LEFT  # nobody can tell now; who is taken for dead is not read any more
    try:
        os.lockf(fd, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


# -- signals -----------------------------------------------------------------------------------------------


def let_faults_through() -> None:
    """Have this thread's segmentation faults reach their handler: where they are blocked, the kernel kills at once.

    uWSGI blocks every signal in its threads but the first.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FAULTS)


# -- users -------------------------------------------------------------------------------------------------


def user_id() -> int:
    """Return the number of the user this process acts as."""
    return os.geteuid()
