"""A worker of one pod that breaks: reports faults and notes each; once its standard input ends it flushes and ends.

Usage: shared_worker.py SPOOL STATE SMTP_PORT SIDE FAULTS REPORTS PAUSE_S. STATE "-" is the spool's own. REPORTS is per
fault; each of them is a line in SIDE once its report has returned. Claims and looks are short, so that tests are.
"""

from __future__ import annotations

import os
import sys
import time

import tocsin
from tocsin.delivery import term
from tocsin.event import limits


def make_fault(number: int):  # type: ignore[no-untyped-def]
    """Return a function of its own code object, so that each number is a fault of its own."""
    namespace: dict[str, object] = {}
    source = f"def break_{number}(x):\n    return {{}}[f'missing {{x}}']\n"
    exec(compile(source, f"shared_{number}.py", "exec"), namespace)
    return namespace[f"break_{number}"]


def main() -> None:
    spool, state, port, side, faults, reports, pause_s = sys.argv[1:]
    setattr(limits, "CLAIM_S", 4.0)  # noqa: B010 - they are Final for everybody else
    setattr(limits, "SHARED_LOOK_S", 0.5)  # noqa: B010
    setattr(term, "_FAILED_PAUSE_S", 0.5)  # noqa: B010
    setattr(term, "_FAILED_PAUSE_MAX_S", 1.0)  # noqa: B010
    mail = {"type": "mail", "host": "127.0.0.1", "port": int(port), "to": ["ops@example.org"], "sender": "a@b.example"}
    policy = {"first_within": 4, "gather": 0, "cap_per_hour": 1000, "timeout": 30}
    reporter = tocsin.setup(
        {
            "application": "shop",
            "environment": "test",
            "spool": spool,
            "state": "" if state == "-" else state,
            "sinks": [{**mail, **policy}, {"type": "file", "path": f"{side}.jsonl"}],
        }
    )
    calls = [make_fault(number) for number in range(int(faults))]
    noted = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(int(reports)):
        for number, call in enumerate(calls):
            try:
                call(number)
            except KeyError as fault:
                reporter.report(fault)
            os.write(noted, b"%d\n" % number)
        time.sleep(float(pause_s))
    print("reported", flush=True)
    sys.stdin.read()
    reporter.close()


if __name__ == "__main__":
    main()
