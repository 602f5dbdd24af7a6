"""Names and ids: what a name may look like, run ids, and references to pipelines. Pure."""

from __future__ import annotations

import re
import time

NAME_MAX = 63
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")  # RFC 1123 label
NAME_RULE = "lower-case letters, digits and '-', beginning and ending with a letter or digit, at most 63"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: ids are read aloud and typed
_UNSAFE = frozenset("./%\\\x7f")
_RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z2-9]{8}\Z")


def is_name(text: str) -> bool:
    """Whether `text` is an RFC 1123 label."""
    return NAME.match(text) is not None


def is_run_id(text: str) -> bool:
    """Whether `text` has the form of a run's id. What comes over a wire is checked before it names a path."""
    return _RUN_ID.match(text) is not None


def run_id(now: float, entropy: bytes) -> str:
    """A sortable id such as `20261123-023000-k7q2m4xa`: UTC seconds of `now`, then 40 bits of `entropy`."""
    if len(entropy) < 8:
        raise ValueError("a run id wants 8 bytes of entropy")
    tail = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy[:8])
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + "-" + tail


def slot_run_id(state: str, workflow: str, pipeline: str, trigger: str, at: float) -> str:
    """The id of the run that the slot at `at` starts: whoever fires it, and however often, it is the same."""
    return run_id(at, _entropy(state, workflow, pipeline, trigger, str(int(at))))


def slot_fire_id(state: str, workflow: str, trigger: str, at: float) -> str:
    """The id of the fire that all pipelines of a workflow share which a trigger starts at `at`."""
    return run_id(at, _entropy(state, workflow, "", trigger, str(int(at))))


def _entropy(*words: str) -> bytes:
    import hashlib  # loads libcrypto, which an agent without cron triggers does not need

    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).digest()[:8]


def file_safe(task: str) -> str:
    """A task's name (an instance's may hold anything) as a part of a file's name, without '.'; see `from_file`."""
    return "".join(_escaped(char) if char in _UNSAFE or ord(char) < 32 else char for char in task)


def _escaped(char: str) -> str:
    return f"%{ord(char):02X}"


def from_file(part: str) -> str:
    """The inverse of `file_safe`."""
    return re.sub("%([0-9A-F]{2})", lambda match: chr(int(match.group(1), 16)), part)


def is_task_name(text: str) -> bool:
    """Whether `text` can be the name of a task or of an instance of a matrix: `NAME` or `NAME[...]`."""
    base, bracket, rest = text.partition("[")
    return is_name(base) and (
        not bracket or (rest.endswith("]") and len(text.encode(errors="replace")) <= 160)
    )


def pipeline_key(workflow: str, pipeline: str) -> str:
    """How a pipeline is called everywhere: `WORKFLOW/PIPELINE`."""
    return workflow + "/" + pipeline
