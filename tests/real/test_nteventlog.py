"""The NT event log sink on a Windows Python, under Wine, whose event log tells in its trace what it was handed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from wine import Windows

APPLICATION = """
import logging
import tocsin
from tocsin.reporter import current

tocsin.setup("tocsin.toml", root_handler=False)
logging.getLogger().addHandler(tocsin.LogHandler())
try:
    {}["price"]
except KeyError:
    logging.getLogger("shop").critical("no price é 中 💥", exc_info=True)
logging.getLogger("shop").warning("disk is %s full", "90%1")
logging.getLogger("shop").error("x" * 8_000, extra={f"f{n}": "y" * 1_000 for n in range(30)})
print("flushed", current().flush(20.0))
"""
# ReportEventW (handle, type, category, event id, user, strings, data bytes, …)
REPORTED = re.compile(r"ReportEventW \((\w+),0x(\w+),0x(\w+),0x(\w+),0+,0x0001,0x00000000,")


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[Windows]:
    (tmp_path / "tocsin.toml").write_text('application = "shop"\nspool = "spool"\n[[sinks]]\ntype = "nteventlog"\n')
    found = Windows(tmp_path)
    yield found
    found.close()


def test_what_windows_is_handed(windows: Windows) -> None:
    trace = windows.run("-c", APPLICATION, is_traced=True)
    assert "flushed True" in trace
    assert 'RegisterEventSourceW ((null),L"shop")' in trace
    reported = [tuple(int(number, 16) for number in match[1:]) for match in map(list, _matches(trace))]
    assert sorted(reported) == [(1, 1, 102), (1, 1, 102), (2, 1, 103)]
    assert re.search(r'L"KeyError: \'price\'\\r\\n\\r\\nWhere       __main__\.<module>, <string>:9\\r\\n', trace)
    assert r"no price \00e9 \4e2d \d83d\dca5" in trace
    assert r"disk is 90\ff051 full" in trace
    assert "DeregisterEventSource" in trace


def _matches(trace: str) -> Iterator[tuple[str, ...]]:
    for match in REPORTED.finditer(trace):
        yield match.groups()


def test_the_source_is_registered(windows: Windows) -> None:
    checked = windows.run("-m", "tocsin", "check", "--config", "tocsin.toml")
    assert "nteventlog:Application/shop" in checked
    values = windows.result("""
        import json, winreg
        path = r"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\shop"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            values = [winreg.EnumValue(key, number) for number in range(winreg.QueryInfoKey(key)[1])]
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, path)
        print(json.dumps(sorted(values)))
    """)
    assert values == [
        ["CustomSource", 1, 4],
        ["EventMessageFile", r"%SystemRoot%\System32\EventCreate.exe", 2],
        ["TypesSupported", 7, 4],
    ]


def test_another_machine_is_named_in_the_call(windows: Windows, tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(
        'application = "shop"\nspool = "spool"\nsinks = ["nteventlog://web1/Other%20shop"]\n'
    )
    trace = windows.run("-m", "tocsin", "check", "--config", "tocsin.toml", is_traced=True)
    assert r'RegisterEventSourceW (L"\\\\web1",L"Other shop")' in trace


def test_the_drop_in_handler_logs_by_it(windows: Windows) -> None:
    code = """
import logging
from tocsin.handlers import NTEventLogHandler

handler = NTEventLogHandler("shop")
logging.getLogger().addHandler(handler)
logging.getLogger("shop").error("by the handler")
handler.flush()
"""
    trace = windows.run("-c", code, is_traced=True)
    assert [tuple(int(number, 16) for number in groups[1:]) for groups in _matches(trace)] == [(1, 0, 1)]
    assert 'L"by the handler"' in trace


def test_every_hostile_event_is_taken(windows: Windows) -> None:
    code = """
from tocsin.sinks.base import SinkContext
from tocsin.sinks.nteventlog import NtEventLogSink
from tocsin.testing.contract import entry_of
from tocsin.testing.hostile import HOSTILE

options = {setting.name: setting.default for setting in NtEventLogSink.settings} | {"register": False}
sink = NtEventLogSink.from_options(options, SinkContext("shop", "production", "web-1"))
print(sink.deliver([entry_of(case.make()) for case in HOSTILE]), len(HOSTILE))
"""
    trace = windows.run("-c", code, is_traced=True)
    accepted = re.search(r"Accepted\(detail='log Application; the source shop is not registered.*\) (\d+)", trace)
    assert accepted is not None, trace
    assert len(list(_matches(trace))) == int(accepted[1])
