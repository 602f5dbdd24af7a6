"""`xene run FILE[:PIPELINE]`: a file on the spot, on an agent of its own, without a state. Called by `run`.

`cli` may have started the agent already (`Call.spot`), so that it comes up while the rest is imported.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Mapping

from xene.commands import follow, manifests, progress
from xene.commands.call import Call
from xene.model import phases

if TYPE_CHECKING:
    from xene.manifest.repository import Repository

_FILE = re.compile(r"(?P<path>.+\.ya?ml)(?::(?P<pipeline>[^:/]*))?\Z", re.IGNORECASE | re.DOTALL)
INTERRUPTED = 130


def file_of(target: str) -> tuple[str, str | None] | None:
    """The path and the pipeline of `FILE.yaml[:PIPELINE]`; None for the name of a workflow."""
    match = _FILE.match(target)
    return (match["path"], match["pipeline"] or None) if match else None


def run_file(call: Call, path: str, pipeline: str | None, params: Mapping[str, str]) -> int:
    """Run the workflow in a file; 0 if every run ended in Success, 1 if not, 130 after Ctrl-C."""
    from xene.control import spot

    repository = load(call, path)
    batch = spot.orders(repository.entries, pipeline, params, time.time(), call.home)
    begun = call.spot or spot.begin()
    show = None if call.quiet else follow.show(call, batch.pipelines)
    watcher = None if show is None else spot.Watcher(show.moved, show.said, show.print)
    try:
        runs = spot.carry_out(begun, batch, watcher)
    finally:
        if show is not None:
            show.close()
    return told(call, runs)


def load(call: Call, path: str) -> Repository:
    """The file's objects. References to agents do not matter: it runs here. Raises InvalidManifest."""
    from xene.manifest import repository as repositories

    found = repositories.load(path)
    if found.problems:
        call.complain(manifests.told(found.problems))
        raise manifests.refuse(found.problems)
    return found


def told(call: Call, runs: list[dict[str, Any]]) -> int:
    """Print the ended runs where that was asked for; the exit code."""
    if call.structured:
        call.put_value(runs)
    if progress.ended_well(runs):
        return 0
    stopped = any(run["reason"] in (phases.CANCELLED, phases.KILLED) for run in runs)
    if call.quiet and not stopped:
        for run in runs:
            call.warn(f"{progress.title(run)}: {progress.state(run, time.time())}")
    return INTERRUPTED if stopped else 1
