"""Names and ids: what a name may look like, run ids, and references to pipelines. Pure."""

from __future__ import annotations

import re
import time

NAME_MAX = 63
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")  # RFC 1123 label
NAME_RULE = "lower-case letters, digits and '-', beginning and ending with a letter or digit, at most 63"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: ids are read aloud and typed
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


def pipeline_key(workflow: str, pipeline: str) -> str:
    """How a pipeline is called everywhere: `WORKFLOW/PIPELINE`."""
    return workflow + "/" + pipeline
