"""What a step attempt left behind: its outputs, the artifacts that were collected, or why they cannot be used.

Called by `work` when the process of a step has ended. It reads files that a step wrote, and trusts none of them.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional

from xene.agent.workspace import RunDirectory, read_output
from xene.engine.outputs import MAX_BYTES, parse_outputs
from xene.engine.progress import StepProgress
from xene.model import phases


class Result(NamedTuple):
    """`reason` None is a success."""

    reason: Optional[str]
    message: Optional[str]
    outputs: Optional[Dict[str, str]] = None
    artifacts: Optional[List[Any]] = None


def result_of(
    step: StepProgress, home: RunDirectory, contained: bool, found: Result, shown: Callable[[str], str]
) -> Result:
    """What the newest attempt of a step has left, where its process has ended as `found`.

    `shown` masks what is quoted of it.
    """
    if step.internal:
        return _of_artifacts(home.base(step.seq) + ".result", found)
    try:
        data = read_output(home.places(step.seq, contained).output, MAX_BYTES)
        return Result(None, None, None if data is None else parse_outputs(data, shown))
    except (OSError, ValueError) as error:
        return Result(phases.OUTPUT_INVALID, str(error))


def discard(home: RunDirectory, seqs: Iterable[int]) -> None:
    """Remove what attempts have left, of a run that has ended and was given secrets: they may stand there."""
    for seq in seqs:
        outputs = [home.places(seq, contained).output for contained in (False, True)]
        for path in [*outputs, home.base(seq) + ".result"]:
            with contextlib.suppress(OSError):  # it goes with the run, in the end
                os.unlink(path)


def _of_artifacts(path: str, found: Result) -> Result:
    """The agent's own code writes what it made of artifacts, or why it could not."""
    if found.reason not in (None, phases.STEP_FAILED):
        return found
    try:
        with open(path, "rb") as file:
            said = json.load(file)
    except (OSError, ValueError):
        return found if found.reason else Result(phases.ARTIFACT_INVALID, "it left no result")
    if said.get("reason"):
        return Result(said["reason"], said["message"])
    return Result(None, None, None, said["artifacts"])
