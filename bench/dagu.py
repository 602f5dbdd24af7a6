"""Dagu's scheduler on trivial runs: how many a second it takes into its queue, and how many it carries through.

In a home of its own; a queue that lets a hundred run side by side, with which it was the quickest here.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.peers import dagu_program

SENDERS, PATIENCE = 4, 120.0  # commands at once; seconds
DAG = "queue: q\nmaxActiveRuns: 100\nsteps:\n  - name: s\n    command: 'true'\n"
CONFIG = "queues:\n  enabled: true\n  config:\n    - name: q\n      maxConcurrency: 100\n"


def throughput(count: int) -> Iterator[tuple[str, str]]:
    """Rows for `bench.throughput`; none where Dagu is not here."""
    program = dagu_program()
    if program is None:
        return
    with tempfile.TemporaryDirectory(prefix="bench-dagu-", ignore_cleanup_errors=True) as home:
        os.mkdir(f"{home}/dags")
        for name, text in (("config.yaml", CONFIG), ("dags/one.yaml", DAG)):
            with open(f"{home}/{name}", "w") as file:
                file.write(text)
        env = {**os.environ, "DAGU_HOME": home, "HOME": home}
        scheduler = subprocess.Popen(
            [program, "scheduler", "--dagu-home", home, "--dags", f"{home}/dags"],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(2.0)  # until it serves its queue; it has no way to say so
            began = time.perf_counter()
            enqueue = [program, "enqueue", "-q", "--dagu-home", home, f"{home}/dags/one.yaml"]
            with ThreadPoolExecutor(SENDERS) as senders:
                list(senders.map(lambda _: subprocess.run(enqueue, env=env, check=True), range(count)))
            enqueued = time.perf_counter() - began
            while _succeeded(home) < count and time.perf_counter() - began < PATIENCE:
                time.sleep(0.2)
            took = time.perf_counter() - began
        finally:
            scheduler.kill()  # it may wait for ever for what it has queued
            scheduler.wait()
        yield f"Dagu 1.30, {count} runs: enqueued", f"{count / enqueued:.0f} a second"
        yield f"Dagu 1.30, {count} runs: carried through", f"{_succeeded(home) / took:.0f} a second"


def _succeeded(home: str) -> int:
    return sum(
        _status(path) in (4, "succeeded")
        for path in glob.glob(f"{home}/data/**/status.jsonl", recursive=True)
    )


def _status(path: str) -> object:
    """The newest status in a file that it appends to; None where there is none yet."""
    with open(path) as file:
        lines = file.read().strip().splitlines()
    try:
        return json.loads(lines[-1]).get("status") if lines else None
    except ValueError:
        return None  # half a line: it is being written
