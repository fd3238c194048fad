"""A container as far as one can be had here: a command goes in; it runs as another user in namespaces of its own.

Everything is read-only but the volume and /dev/shm; `/srv/shop` and `/etc/shop/secrets` are those of the example. Its
first process has the number 1, and gets signals as such a one does. Needs root, and a kernel that lets it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

__all__ = ["PYTHON", "USER", "Container", "require"]

USER: Final = 10001
PYTHON: Final = "/opt/image/bin/python"

# $1 the image's files, $2 the volume; then the command. The interpreter may lie where another user can't go.
_ENTER: Final = """
set -e
image=$1 volume=$2 packages=$3 home=$4; shift 4
mount -t tmpfs tmpfs /mnt
mkdir /mnt/files /mnt/volume /mnt/packages /mnt/source /mnt/base
cp -r "$image/." /mnt/files
mount --bind "$volume" /mnt/volume
mount --bind "$packages" /mnt/packages
mount --bind "$SOURCE" /mnt/source
mount --bind "$BASE" /mnt/base
for place in /srv /opt /var/spool; do mount -t tmpfs -o mode=755 tmpfs $place; done
mkdir -p /srv/shop /opt/image/bin /var/spool/tocsin
cp -r /mnt/files/srv/. /srv/shop
ln -s /mnt/base/bin/$INTERPRETER /opt/image/bin/python
for name in tocsin gunicorn; do
    module=$name; test $name = gunicorn && module=gunicorn.app.wsgiapp
    printf '#!/bin/sh\\nexec /opt/image/bin/python -m %s "$@"\\n' $module > /opt/image/bin/$name
    chmod 755 /opt/image/bin/$name
done
mount -t tmpfs -o mode=755 tmpfs /tmp && mkdir /tmp/etc
mount -t overlay overlay -o lowerdir=/mnt/files/etc:/etc /etc
mount --bind /mnt/volume /var/spool/tocsin
chmod 755 /mnt
awk '{print $2}' /proc/self/mounts | sort -r | while read place; do
    case $place in
        /proc*|/sys*|/dev*|/var/spool/tocsin|/mnt/volume) ;;
        *) mount -o remount,bind,ro "$place" 2>&- || true ;; # some are hidden by now
    esac
done
export PATH=/opt/image/bin:/usr/bin:/bin PYTHONPATH=/mnt/source:/mnt/packages HOME=/nonexistent
export LD_LIBRARY_PATH=/mnt/base/lib
cd /srv/shop
# The wish to end with unshare (--kill-child) is forgotten when the user changes: it is said again.
exec setpriv --pdeathsig KILL --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all --no-new-privs "$@"
"""


def require() -> None:
    """Skip where there are no namespaces to be had."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("no namespaces: not root on Linux; run as root")
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}; on Debian: apt-get install -y util-linux")
    overlay = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/a && mount -t overlay overlay -o lowerdir=/mnt/a:/etc /etc"
    enter = ["unshare", "--mount", "--pid", "--fork", "--propagation", "private", "sh", "-c", overlay]
    if subprocess.run(enter, capture_output=True).returncode:
        pytest.skip("no namespaces: the kernel or a sandbox refuses them; run on a machine of its own")


class Container:
    """Run one command; ``volume`` is a folder of the host, as an `emptyDir` or a named volume is."""

    def __init__(self, image: Path, volume: Path, *command: str, log: Path, environ: Mapping[str, str] = {}) -> None:
        packages = Path(pytest.__file__).parents[1]
        source = Path(__file__).parents[2] / "src"
        base = Path(sys.base_prefix)
        own = {
            "SOURCE": str(source),
            "BASE": str(base),
            "INTERPRETER": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "USER_ID": str(USER),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOCSIN_CONFIG": "/srv/shop/tocsin.toml",
        }
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--mount-proc"]
        enter = ["sh", "-c", _ENTER, "enter", str(image), str(volume), str(packages), "-"]
        self.log = log
        self._namespace: str | None = None
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*unshare, *enter, *command],
                env={"PATH": os.environ["PATH"], **own, **environ},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def said(self) -> str:
        """Return what it wrote so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, grace_s: float = 60.0) -> int:
        """Do as an orchestrator does: SIGTERM to process 1, then SIGKILL to all; return the exit status."""
        first = self._first()
        if first is not None:
            os.kill(first, signal.SIGTERM)
        try:
            return self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, and all its processes: the kernel ends a namespace with its process 1."""
        first = self._first()
        if first is not None:
            os.kill(first, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def processes(self) -> list[int]:
        """Return the numbers that the host knows its processes by; empty before the first and after the last."""
        if self._namespace is None and self._first() is None:
            return []
        numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [number for number in numbers if self._namespace == _pid_namespace(number)]

    def _first(self) -> int | None:
        """Return the number that the host knows its process 1 by."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            children = path.read_text().split()
        except OSError:
            return None
        if not children:
            return None
        self._namespace = self._namespace or _pid_namespace(int(children[0]))
        return int(children[0])


def _pid_namespace(number: int) -> str | None:
    try:
        return str(Path(f"/proc/{number}/ns/pid").readlink())
    except OSError:
        return None  # it has ended
