"""A program's arguments and environment go in; what it writes on stdout leaves, in bounded time and size, or None.

Started by `posix_spawn`, which runs no Python in the child, no hook of a fork, and holds no lock of ours: safe from a
thread of a server, and with gevent, whose own `subprocess` wants its main hub. What is started inherits no descriptor
but the three it is given, has a process group of its own, and is killed with it when its time is over.
"""

# mypy: disable-error-code="unreachable"
from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.complaints import complain
from tocsin.system.native import native

__all__ = ["is_startable", "output_of", "path_of"]

_LOOK_S: Final = 0.002
_REAP_S: Final = 1.0  # for one that was killed; what then still hangs, in a dead disk, is reaped later
_PART_BYTES: Final = 65_536

_left: dict[int, None] = {}  # killed, and not gone yet


def path_of(program: str, environ: Mapping[str, str]) -> str:
    """Return where a program is, by the absolute folders of PATH only: no folder of the day may hold one. "" if not."""
    name = f"{program}.exe" if sys.platform == "win32" else program
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)  # noqa: PTH118
        if os.path.isabs(folder) and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113, PTH117
            return path
    return ""


def is_startable() -> bool:
    """Tell whether a child may be started: not where the application itself looks after its own, or one still hangs."""
    for pid in list(_left):
        if _status(pid) is not None:
            _left.pop(pid, None)
    if _left:
        return False
    return sys.platform == "win32" or not callable(signal.getsignal(signal.SIGCHLD))


def output_of(
    arguments: Sequence[str], environ: Mapping[str, str], *, timeout_s: float, max_bytes: int
) -> bytes | None:
    """Return what a program wrote on stdout; None where it can't be started, fails, takes too long or writes too much.

    ``arguments`` begin with its absolute path. Never raises for what the program does.
    """
    if sys.platform == "win32":
        return _by_subprocess(arguments, environ, timeout_s, max_bytes)
    try:
        pid, out = _spawned(arguments, environ)
    except (OSError, ValueError):
        return None
    end = time.monotonic() + timeout_s
    try:
        data = _read(out, end, max_bytes)
    finally:
        _close(out)
        is_fine = _waited(pid, end)
    return data if is_fine else None


def _spawned(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, int]:
    import fcntl

    out, write = os.pipe()
    try:
        if write <= 2:  # the application has closed its own stdout, say
            low, write = write, fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, 3)
            _close(low)
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, write, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()),
        ]
        pid: int = native("os", "posix_spawn")(
            arguments[0],
            list(arguments),
            dict(environ),
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGTERM, signal.SIGINT),
        )
    except BaseException:
        _close(out)
        raise
    finally:
        _close(write)
    return pid, out


def _close(fd: int) -> None:
    """Close at once: gevent does so at its hub's next turn, and until then the other end seems to go on."""
    native("os", "close")(fd)


def _inheritable() -> list[int]:
    """Return the descriptors that a program would inherit: a server's listening socket, what libraries have opened."""
    found = []
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            names = os.listdir(folder)  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            try:
                if int(name) > 2 and os.get_inheritable(int(name)):
                    found.append(int(name))
            except (OSError, ValueError):
                continue
        break
    return found


def _read(out: int, end: float, max_bytes: int) -> bytes | None:
    """Return all that is written until the other end is closed, None where that takes too long or is too much."""
    import select

    poll = native("select", "poll")()
    poll.register(out, select.POLLIN | select.POLLHUP)
    parts: list[bytes] = []
    size = 0
    while (left_s := end - time.monotonic()) > 0:
        if not poll.poll(left_s * 1_000):
            continue
        part: bytes = native("os", "read")(out, _PART_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            return None
    return None


def _waited(pid: int, end: float) -> bool:
    """Reap a child, killed where its time is over; return whether it ended by itself and well."""
    sleep: Callable[[float], None] = native("time", "sleep")
    status = _status(pid)
    while status is None and time.monotonic() < end:
        sleep(_LOOK_S)
        status = _status(pid)
    if status is not None:
        return status == 0
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass  # gone in this very moment
    end = time.monotonic() + _REAP_S
    while _status(pid) is None:
        if time.monotonic() > end:
            _left[pid] = None
            complain("provenance", f"a program that was killed does not end (pid {pid}); no other is started meanwhile")
            break
        sleep(_LOOK_S)
    return False


def _status(pid: int) -> int | None:
    """Return a child's exit status, None while it runs; 0 where somebody else has reaped it: its output tells."""
    try:
        found, status = native("os", "waitpid")(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return status if found else None


def _by_subprocess(
    arguments: Sequence[str], environ: Mapping[str, str], timeout_s: float, max_bytes: int
) -> bytes | None:
    import subprocess  # only where nothing is forked

    try:
        done = subprocess.run(
            list(arguments),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) <= max_bytes else None
