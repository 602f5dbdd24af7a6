"""Artifacts that a run takes from other runs: which ones, and whether they are here.

Called by `control.fire` and `control.following`, inside their transactions.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Iterable, Mapping, Sequence

from xene.errors import NotFound, Usage
from xene.model.pipeline_codec import pipeline_connectors_from_json
from xene.store import artifacts
from xene.store.artifacts import KEPT, Json


def artifacts_for(
    conn: sqlite3.Connection, run_ids: Iterable[str], wanted_names: Iterable[str]
) -> list[Json]:
    """What these runs hand over under these names, for `runs.create(artifacts=...)`; all that bear a name.

    Call it when the runs are archived. Raises NotFound where a name is none of theirs, or its file is not here.
    """
    ids, wanted = list(run_ids), list(dict.fromkeys(wanted_names))
    found = [each for run in ids for each in artifacts.of_run(conn, run) if each.name in wanted]
    for name in wanted:
        if name not in [each.name for each in found]:
            raise NotFound(f"run {', '.join(ids)} has no artifact {name}", hint=f"xene artifacts {ids[-1]}")
    for each in found:
        if each.state != KEPT:
            why = each.message or "it is still on the agent, which is away"
            raise NotFound(
                f"artifact {each.name} of run {each.run} is not here: {why}",
                hint=f"xene artifacts {each.run}",
            )
    return artifacts.for_order(found)


def for_fire(
    conn: sqlite3.Connection,
    workflow: str,
    only: str | None,
    needs: Mapping[str, Sequence[Any]],
    source: str | None,
) -> list[Json]:
    """The artifacts for the run of the pipeline `only`, from the run `source` or others of its fire.

    `needs` are the connectors of each pipeline, as JSON. Raises Usage where it wants some and no run is named, or
    one is named and it wants none; NotFound.
    """
    wanted = wanted_names(needs[only]) if only is not None else {}
    if source is None:
        if wanted:
            raise Usage(
                f"{workflow}/{only} takes artifacts of {', '.join(wanted)}",
                hint="name a run that has them: --artifacts-from RUN; or fire the whole workflow",
            )
        return []
    if not wanted:
        what = f"{workflow}/{only} takes no artifacts" if only else "it goes with one pipeline"
        raise Usage(f"--artifacts-from: {what}", hint="artifacts are named in the pipeline's 'needs'")
    return [
        each
        for pipeline, names in wanted.items()
        for each in artifacts_for(conn, [_source(conn, workflow, pipeline, source)], names)
    ]


def wanted_names(needs: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """The artifacts that a pipeline's connectors (as JSON) name, by pipeline."""
    found = pipeline_connectors_from_json(needs)
    return {each.pipeline: each.artifacts for each in found if each.artifacts}


def _source(conn: sqlite3.Connection, workflow: str, pipeline: str, run: str) -> str:
    """`run`, where it is one of that pipeline, else the one of its fire that is."""
    row = conn.execute(
        "SELECT o.id FROM runs r JOIN runs o ON o.fire = r.fire WHERE r.id = ? AND o.workflow = ?"
        " AND o.pipeline = ? ORDER BY o.id = r.id DESC, o.seq DESC LIMIT 1",
        (run, workflow, pipeline),
    ).fetchone()
    if row is None:
        raise NotFound(
            f"run {run} is none of {workflow}/{pipeline}, and neither is another of its fire",
            hint=f"xene get runs -o wide; --artifacts-from wants a run of {workflow}/{pipeline}",
        )
    return str(row[0])
