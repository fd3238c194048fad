"""An application that meets faults while its disk is maltreated: SPOOL EVENTS SIDE COMMAND… go in.

Each command is one step, ``name,argument,argument``. What an occurrence is, is noted in SIDE before it is reported.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import tocsin


class App:
    """Do what a test says."""

    def __init__(self, spool: str, events: str, side: str) -> None:
        self._side = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._folder = Path(spool).parent
        name = os.environ.get("DISK_APPLICATION", "shop")
        self._reporter = tocsin.setup({"application": name, "spool": spool, "sinks": [f"file:{events}"]})

    def happen(self, faults: str, times: str, word: str = "broken") -> None:
        """Meet so many distinct faults, each so often."""
        for number in range(int(faults)):
            for _ in range(int(times)):
                os.write(self._side, f"{word}\n".encode())
                if not self._reporter.report(message=word, fingerprint=f"{word} {number}"):
                    raise SystemExit("a report has no error id")

    def loop(self, seconds: str) -> None:
        """Meet faults for so long."""
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            self.happen("5", "4")
            time.sleep(0.002)

    def leave(self, kilobytes: str) -> None:
        """Fill the disk but for so much."""
        status = os.statvfs(self._folder)
        size = status.f_bavail * status.f_frsize - int(kilobytes) * 1024
        with (self._folder / "filler").open("wb", buffering=0) as filler:
            while size > 0:
                size -= filler.write(bytes(min(size, 4096)))

    def inodes(self, left: str) -> None:
        """Use up the inodes but for so many."""
        for number in range(os.statvfs(self._folder).f_favail - int(left)):
            (self._folder / f"filler{number}").touch()

    def free(self) -> None:
        """Give back what was filled."""
        for path in self._folder.glob("filler*"):
            path.unlink()

    def limit(self, largest_bytes: str) -> None:
        """Let no file grow past this; -1 for no limit."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_bytes), -1))

    def flush(self) -> None:
        """Deliver all, and say whether that went."""
        end = time.monotonic() + 60
        while not (is_done := self._reporter.flush(20)) and time.monotonic() < end:
            time.sleep(0.1)
        print(f"flushed={is_done} pending={self._reporter.stats()['pending']}", flush=True)

    def say(self) -> None:
        """Tell that this point was reached, and wait for a line."""
        print("reached", flush=True)
        sys.stdin.readline()

    def close(self) -> None:
        """End as an application does."""
        self._reporter.close()


def main() -> None:
    """Run the commands one after the other."""
    spool, events, side, *commands = sys.argv[1:]
    app = App(spool, events, side)
    for command in commands:
        name, *arguments = command.split(",")
        getattr(app, name)(*arguments)
    app.close()


if __name__ == "__main__":
    main()
