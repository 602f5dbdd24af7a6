"""Collecting a task's artifacts from the workspace, and laying artifacts into it: the agent's own step.

Run by `main` in a process of its own, which `launching` starts like any other step: what it prints is that step's
log. A job file says what to do; the answer is left where the job says, and read by `results`.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable, Dict, List, Mapping

from xene.agent import tarballs
from xene.agent.globs import ArtifactProblem
from xene.agent.home import write_whole
from xene.agent.tarballs import size_text
from xene.model import phases

FAILED = 1

Json = Dict[str, Any]


def carry_out(path: str) -> int:
    """Do the job in the file `path`; the exit code. Its result says what was made, or why it was not."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        job = json.load(file)
    result = _result(job)
    if "reason" in result:
        print(f"{result['reason']}: {result['message']}", file=sys.stderr)
    try:
        write_whole(job["result"], json.dumps(result).encode())
    except OSError as error:  # the log has it
        print(f"the result cannot be written: {tarballs.why(error)}", file=sys.stderr)
        return FAILED
    return FAILED if "reason" in result else 0


def _result(job: Json) -> Json:
    made: List[Json] = []
    for kind, act in (("lay", _lay), ("collect", _collect)):
        for each in job.get(kind, ()):
            problem = _tried(act, each, job["workspace"], made)
            if problem:
                return problem
    return {"artifacts": made}


def _tried(
    act: Callable[[Mapping[str, Any], str, List[Json]], None], each: Mapping[str, Any], workspace: str,
    made: List[Json],
) -> Json:  # fmt: skip
    """Empty where it went well."""
    try:
        act(each, workspace, made)
    except ArtifactProblem as error:
        return {"reason": error.code, "message": _shown(f"artifact {each['name']}: {error.message}")}
    except OSError as error:
        message = f"artifact {each['name']}: {tarballs.why(error)}"
        return {"reason": phases.ARTIFACT_INVALID, "message": _shown(message)}
    return {}


def _lay(each: Mapping[str, Any], workspace: str, _: List[Json]) -> None:
    files = tarballs.lay(each["path"], each["size"], each["sha256"], workspace)
    print(f"laid {each['name']}: {_count(files)}, {size_text(each['size'])}", flush=True)


def _collect(each: Mapping[str, Any], workspace: str, made: List[Json]) -> None:
    size, sha256, files = tarballs.pack(workspace, each["globs"], each["path"])
    made.append({"name": each["name"], "task": each["task"], "size": size, "sha256": sha256, "files": files})
    print(f"collected {each['name']}: {_count(files)}, {size_text(size)}", flush=True)


def _count(files: int) -> str:
    return f"{files} file" if files == 1 else f"{files} files"


def _shown(message: str) -> str:
    """Names of files may be no text."""
    return message.encode("utf-8", "backslashreplace").decode()
