"""Whose spool a folder is: a folder and an application go in; nothing leaves, or StoreError where others live there."""

from __future__ import annotations

from collections.abc import Collection

from tocsin.event.errors import StoreError
from tocsin.spool.about import read_about
from tocsin.spool.folder import Folder
from tocsin.spool.locks import is_held

__all__ = ["require_own_application"]


def require_own_application(folder: Folder, application: str, finished: Collection[tuple[str, int]] = ()) -> None:
    """Raise StoreError where a living process of another application has this spool: counts and mails would mix.

    The dead don't count, those of ``finished`` generations among them: an application that was renamed goes on in its
    spool.
    """
    # Whether a process lives is told faster than what it is, and most are dead.
    unknown = folder.processes() - {process for process, _ in finished}
    living = {process for process in unknown if is_held(folder.live(process))}
    for path in folder.generations():
        if path.process not in living:
            continue
        try:
            other = read_about(path.events).get("application", application)
        except OSError:
            continue  # told by who reads it
        if other != application:
            raise StoreError(
                f"the spool {folder.path} is in use by the application {other!r}; "
                f"set `spool` of {application!r} to a folder of its own"
            )
