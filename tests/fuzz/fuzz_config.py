"""Configuration: TOML text and variables go in. Settings leave, or one ConfigError that can be printed.

Usage: python tests/fuzz/fuzz_config.py [-max_total_time=600]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fuzzing import Choices, main, watched

with watched():
    from tocsin.cli.console import Console  # noqa: F401 - what prints the faults
    from tocsin.config.load import load
    from tocsin.config.settings import SETTINGS
    from tocsin.config.show import masked_url
    from tocsin.event.errors import ConfigError
    from tocsin.sinks.base import SinkContext
    from tocsin.sinks.registry import build, faults_of

_folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
_FILE = Path(_folder.name, "tocsin.toml")
_URLS = (
    "file:events.jsonl?max_mb=1", "smtp://u:p@mail.example.com:25?to=a@b.c", "syslog://127.0.0.1", "stderr:",
    "postgresql://u:p@h/d", "tcp://h:1?token=x", "http://[::1", "file:", "smtp://[", "://", "x:\x00",
    "syslog:?facility=9",
)  # fmt: skip
_VALUES = ("true", "0", "-1", "1e400", "nan", "'text'", "[]", "{}", "[[1]]", "1979-05-27", "'/no\\u0000'", '"\\u0000"')


def configuration(choices: Choices) -> str:
    """Return TOML that is nearly right."""
    lines = ['application = "shop"'] if choices.number(4) else []
    for _ in range(choices.number(4)):
        value = choices.one(_VALUES) if choices.number(2) else _quoted(choices.text())
        lines.append(f"{choices.one(SETTINGS).name} = {value}")
    if choices.number(2):
        lines.append(f"sinks = [{_quoted(choices.one(_URLS) + choices.text())}]")
    else:
        lines += ["[[sinks]]", f"type = {_quoted(choices.one(('file', 'smtp', 'syslog', 'webhook', choices.text())))}"]
        for _ in range(choices.number(4)):
            name = choices.one(("path", "url", "to", "host", "levels", "kinds", "password", "timeout_s", "x"))
            lines.append(f"{name} = {choices.one((*_VALUES, _quoted(choices.text())))}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    shown = "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in plain)
    return f'"{shown}"'


def try_one(data: bytes) -> None:
    """Raise where a configuration does anything but load or be refused."""
    choices = Choices(data)
    names = (*(f"TOCSIN_{each.name.upper()}" for each in SETTINGS), "TOCSIN_CONFIG", "TOCSIN_X", "TOCSIN_PORT")
    environ = {choices.one(names): choices.text() for _ in range(choices.number(3))}
    environ = {name: value.replace("\x00", "") for name, value in environ.items()}  # as the kernel has it
    content = configuration(choices).encode() if choices.number(8) else choices.rest()
    _FILE.write_bytes(content)
    try:
        settings = load(str(_FILE), {}, environ, cwd=_folder.name, host_name=lambda: "h", check_sinks=faults_of)
    except ConfigError as fault:
        assert fault.faults, "refused without a reason"
        assert all(type(each) is str and each for each in fault.faults)
        str(fault).encode("utf-8", "surrogateescape")
        return
    repr(settings)
    masked_url(settings.state)
    if settings.mode == "production":
        built, _ = build(settings.sinks, SinkContext(settings.application, settings.environment, settings.host))
        for each in built:
            repr(each)
            each.sink.close()


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    plain = b'application = "shop"\nsinks = ["file:x.jsonl"]\n'
    return [
        b"",
        b"\x00\x00" + plain,
        *(bytes([number % 3, number, 1, 7, 5, 1, 3, number, 1, 2, 3, 4]) for number in range(30)),
    ]


if __name__ == "__main__":
    main(try_one, seeds())
