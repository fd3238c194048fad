"""What systems do each in their own way has one face: both halves offer the same, and nothing else asks which it is."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import tocsin
from tocsin import system

PACKAGE = Path(tocsin.__file__).parent


def _functions(name: str) -> dict[str, str]:
    tree = ast.parse((PACKAGE / "system" / f"{name}.py").read_text(encoding="utf-8"))
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {function.name: ast.unparse(function.args) for function in defined}


def test_both_systems_have_the_same_functions() -> None:
    assert _functions("posix") == _functions("windows")
    assert set(_functions("posix")) <= set(system.__all__)


def test_nothing_else_uses_what_windows_lacks() -> None:
    """Each of these is an AttributeError on Windows. `tocsin receive` is for POSIX systems."""
    lacking = re.compile(
        r"\bos\.(O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK|pread|pwrite|posix_fallocate|fdatasync|fchmod|fchown|geteuid|getuid"
        r"|statvfs|lockf|fork|uname|getloadavg|sysconf)\b"
    )
    found = {
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "posix.py" and path.parent.name != "receiver"
        for match in lacking.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_reading_at_a_place_needs_no_pread(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    fd = system.open_file(path, os.O_RDONLY)
    assert system.read_at(fd, 3, 4) == b"456"
    assert system.read_at(fd, 30, 8) == b"89"
    assert not os.get_inheritable(fd)
    os.close(fd)
