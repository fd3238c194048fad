"""Run a worker of the class that is named, on the Redis that BROKER names."""

from __future__ import annotations

import os
import sys

import rq
import rq_jobs
from redis import Redis

import tocsin

tocsin.setup()
kind = getattr(rq_jobs, sys.argv[1], None) or getattr(rq, sys.argv[1])
worker = tocsin.install(kind(["default"], connection=Redis.from_url(os.environ["BROKER"])))

if __name__ == "__main__":
    worker.work(with_scheduler="scheduler" in sys.argv)
