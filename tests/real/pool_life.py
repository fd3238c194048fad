"""A program that works by processes: pool_life.py FOLDER METHOD KIND. Parent and children report."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import life

import tocsin

FOLDER = sys.argv[1]


def work(seed: int) -> int:
    """Report some faults, in whatever process this is."""
    if "reporter" not in globals():
        globals()["reporter"] = tocsin.setup(life.settings(FOLDER))
    for number in range(12):
        life.fall(FOLDER, (seed + number) % 9)
    return os.getpid()


def main() -> None:
    """Work in four processes, by the kind of pool that was asked for."""
    life.watch()
    _, _, method, kind = sys.argv
    context = multiprocessing.get_context(method)
    work(0)
    if kind == "Process":
        processes = [context.Process(target=work, args=(seed,)) for seed in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
    elif kind == "Pool":
        with context.Pool(4) as pool:
            assert os.getpid() not in pool.map(work, range(12), chunksize=1)
    else:
        with ProcessPoolExecutor(4, mp_context=context) as executor:
            assert os.getpid() not in list(executor.map(work, range(12)))
    work(5)


if __name__ == "__main__":
    main()
