"""A folder and certificates go in; a real rsyslogd or syslog-ng runs there, and what it parsed leaves as JSON.

They are the machine's own, or those that tools/unpack-syslog has unpacked.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from certs import Certs
from ports import free_ports

__all__ = ["RSYSLOG", "SYSLOG_NG", "Daemon"]

RSYSLOG: Final = "rsyslogd"
SYSLOG_NG: Final = "syslog-ng"
_UNPACKED: Final = Path(__file__).parents[2] / ".venv-syslog"
# A parent that is killed must not leave a server behind; Python has no word for prctl(PR_SET_PDEATHSIG).
_LEASH: Final = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); os.execv(sys.argv[1], sys.argv[1:])"
)
_STARTED_S: Final = 20.0
_ARRIVED_S: Final = 15.0


class Daemon:
    """Be one syslog server with a port for each transport. Started by `start`, ended by `stop` or `kill`."""

    def __init__(self, name: str, folder: Path, certs: Certs) -> None:
        self.name = name
        self._folder = folder
        self.certs = certs
        self.port, self.tls_port, self.client_tls_port, self.line_port = free_ports(4)  # port: UDP, and TCP by octets
        self.path = folder / "log.sock"
        self._parsed = folder / "parsed.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._command, self._environ = _command(name, folder)
        configure = _rsyslog_config if name == RSYSLOG else _syslog_ng_config
        (folder / "conf").write_text(configure(self, folder), encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until its ports answer."""
        self.path.unlink(missing_ok=True)
        with (self._folder / "out.log").open("ab") as log:
            command = [sys.executable, "-c", _LEASH, *self._command]
            self._process = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)
        end = time.monotonic() + _STARTED_S
        waiting = [self.port, self.tls_port, self.client_tls_port]
        while waiting or not self.path.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{self.name} did not start: {(self._folder / 'out.log').read_text()[-2000:]}")
            waiting = [port for port in waiting if not _answers(port)]
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang: connections stay, nothing is read."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitpid(self._process.pid, os.WUNTRACED)  # until then one of its threads may still read

    def parsed(self, number: int) -> list[dict[str, Any]]:
        """Return what it has parsed, once that are so many messages: the parts of each, by one name for both."""
        end = time.monotonic() + _ARRIVED_S
        while len(found := self._lines()) < number and time.monotonic() < end:
            time.sleep(0.05)
        return [_of_rsyslog(each) if self.name == RSYSLOG else _of_syslog_ng(each) for each in found]

    def _lines(self) -> list[dict[str, Any]]:
        if not self._parsed.exists():
            return []
        whole = self._parsed.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        if number != signal.SIGKILL:  # a kill ends what hangs as it is: it must read nothing more
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _command(name: str, folder: Path) -> tuple[list[str], Mapping[str, str]]:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:{_UNPACKED}/usr/sbin")
    if path is None:
        pytest.skip(f"no {name}; on Debian: tools/unpack-syslog .venv-syslog")
    environ = dict(os.environ)
    extra: list[str] = []
    if modules := _modules(name):
        environ["LD_LIBRARY_PATH"] = f"{modules.parent}:{_libraries()}"
        extra = ["-M", str(modules)] if name == RSYSLOG else [f"--module-path={modules}"]
    if name == RSYSLOG:
        return [path, "-n", "-f", str(folder / "conf"), "-i", str(folder / "pid"), *extra], environ
    files = ["-f", folder / "conf", "-R", folder / "persist", "-p", folder / "pid", "-c", folder / "control"]
    return [path, "-F", "--no-caps", *map(str, files), *extra], environ


def _libraries() -> str:
    return ":".join(str(path) for top in ("lib", "usr/lib") for path in (_UNPACKED / top).glob("*-linux-gnu*"))


def _modules(name: str) -> Path | None:
    """Return the folder of modules where the server is unpacked; an installed one knows its own."""
    if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return None
    pattern = "*-linux-gnu*/rsyslog" if name == RSYSLOG else "syslog-ng/[0-9]*"
    found = [path for path in (_UNPACKED / "usr" / "lib").glob(pattern) if path.is_dir()]
    return found[0] if found else None


# -- rsyslog -----------------------------------------------------------------------------------------------

_RSYSLOG: Final = """
global(workDirectory="{folder}" maxMessageSize="64k" net.enableDNS="off"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{server}" defaultNetstreamDriverKeyFile="{key}")
module(load="mmpstrucdata") module(load="imudp") module(load="imtcp") module(load="imuxsock" sysSock.use="off")
template(name="parsed" type="list") {{
  constant(value="{{") property(name="pri" format="jsonf") constant(value=",")
  property(name="timestamp" dateFormat="rfc3339" format="jsonf") constant(value=",")
  property(name="hostname" format="jsonf") constant(value=",") property(name="app-name" format="jsonf")
  constant(value=",") property(name="procid" format="jsonf") constant(value=",")
  property(name="msgid" format="jsonf") constant(value=",") property(name="msg" format="jsonf")
  constant(value=",\\"sd\\":") property(name="$!rfc5424-sd") constant(value="}}\\n") }}
ruleset(name="all") {{
  action(type="mmpstrucdata")
  action(type="omfile" file="{folder}/parsed.json" template="parsed" flushOnTXEnd="on") }}
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all" streamDriver.name="ptcp" streamDriver.mode="0")
input(type="imtcp" address="127.0.0.1" port="{line_port}" ruleset="all" streamDriver.name="ptcp" streamDriver.mode="0")
input(type="imtcp" address="127.0.0.1" port="{tls_port}" ruleset="all" streamDriver.name="ossl"
  streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{client_tls_port}" ruleset="all" streamDriver.name="ossl"
  streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imuxsock" socket="{folder}/log.sock" useSpecialParser="off" parseHostname="on"
  useSysTimeStamp="off" ignoreTimestamp="off" ruleset="all")
"""


def _rsyslog_config(daemon: Daemon, folder: Path) -> str:
    return _RSYSLOG.format(folder=folder, **_places(daemon))


def _of_rsyslog(line: dict[str, Any]) -> dict[str, Any]:
    names = ("pri", "timestamp", "hostname", "app-name", "procid", "msgid", "msg")
    return {**{name: line[name] for name in names}, "sd": line["sd"]["tocsin@32473"]}


# -- syslog-ng ---------------------------------------------------------------------------------------------

_SYSLOG_NG: Final = """@version: 3.38
options {{ keep-hostname(yes); keep-timestamp(yes); log-msg-size(65536); stats-freq(0); use-dns(no);
  frac-digits(6); time-zone("UTC"); }};
source s_all {{
  syslog(ip(127.0.0.1) port({port}) transport("udp"));
  syslog(ip(127.0.0.1) port({port}) transport("tcp"));
  network(ip(127.0.0.1) port({line_port}) transport("tcp") flags(syslog-protocol));
  syslog(ip(127.0.0.1) port({tls_port}) transport("tls")
    tls(key-file("{key}") cert-file("{server}") peer-verify(optional-untrusted)));
  syslog(ip(127.0.0.1) port({client_tls_port}) transport("tls")
    tls(key-file("{key}") cert-file("{server}") ca-file("{ca}") peer-verify(required-trusted)));
  unix-stream("{folder}/log.sock" flags(syslog-protocol));
}};
destination d_parsed {{ file("{folder}/parsed.json"
  template("$(format-json pri=$PRI timestamp=$S_ISODATE hostname=$HOST app-name=$PROGRAM\
 procid=$PID msgid=$MSGID msg=$MESSAGE --key .SDATA.* --rekey .SDATA.* --shift 7)\\n"));
}};
log {{ source(s_all); destination(d_parsed); }};
"""


def _syslog_ng_config(daemon: Daemon, folder: Path) -> str:
    return _SYSLOG_NG.format(folder=folder, **_places(daemon))


def _of_syslog_ng(line: dict[str, Any]) -> dict[str, Any]:
    data = line.pop("tocsin@32473")
    return {**line, "sd": data, "timestamp": line["timestamp"].replace("+00:00", "Z")}


def _places(daemon: Daemon) -> dict[str, Any]:
    return {
        "ca": daemon.certs.ca,
        "server": daemon.certs.server,
        "key": daemon.certs.key,
        "port": daemon.port,
        "line_port": daemon.line_port,
        "tls_port": daemon.tls_port,
        "client_tls_port": daemon.client_tls_port,
    }
