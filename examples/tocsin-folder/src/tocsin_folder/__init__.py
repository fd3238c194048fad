"""A sink of one's own: each notice to people becomes a text file in a folder that somebody watches."""

from __future__ import annotations

from pathlib import Path

from tocsin.event.notice import Notice
from tocsin.render.notice_text import notice_text
from tocsin.render.subject import subject

__all__ = ["FolderSink"]


class FolderSink:
    """Write each notice as a text file into a folder.

    The constructor's parameters are the sink's settings. What `notify` raises means "not now": the notice is kept and
    tried again. A notice that comes twice, after a crash, has the same id, so it lands in the same file.
    """

    idempotency = "a notice's file is named by its id, so one that comes twice is there once."

    def __init__(self, path: str) -> None:
        self._folder = Path(path)
        self.identity = str(self._folder)

    def notify(self, notice: Notice) -> None:
        """Write one file, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = f"{subject(notice)}\n\n{notice_text(notice)}"
        hidden = self._folder / f".{notice.id}"
        hidden.write_text(text, encoding="utf-8")
        hidden.replace(self._folder / f"{notice.at:%Y%m%d-%H%M%S}-{notice.id}.txt")
