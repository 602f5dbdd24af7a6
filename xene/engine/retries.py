"""Whether something that failed is tried again, and after what pause. Pure; asked by `advance`.

Failures of the thing itself and faults of what carries it (the host, its disk) are counted apart, each up to
`max_attempts`.
"""

from __future__ import annotations

import zlib
from typing import Optional

from xene.model import phases
from xene.model.workflow import ON_ERROR, ON_TIMEOUT, Retry

JITTER = 0.1  # a pause is lengthened by up to this part, or shortened by it where it is at its maximum

# What says nothing about the step: it was the host.
INFRASTRUCTURE = frozenset({phases.HOST_REBOOTED, phases.EXIT_UNKNOWN, phases.CONTAINER_LOST})
# What would fail again the same way, or was wanted.
_FINAL = frozenset({
    phases.CANCELLED, phases.KILLED, phases.EXPRESSION_FAILED, phases.OUTPUT_UNDECLARED, phases.SECRET_MISSING,
    phases.CONTAINER_ENGINE_MISSING,
})  # fmt: skip


def is_fault(reason: Optional[str]) -> bool:
    """Whether a failure is one of the infrastructure."""
    return reason in INFRASTRUCTURE


def allowed(retry: Retry, tries: int, faults: int, reason: Optional[str], exit_code: Optional[int]) -> bool:
    """Whether to try again, after `tries` failures and `faults`, this one counted in, that ended so."""
    if reason in _FINAL:
        return False
    if is_fault(reason):
        return faults < retry.max_attempts
    if tries >= retry.max_attempts:
        return False
    cause = ON_TIMEOUT if reason == phases.TIMEOUT else ON_ERROR
    return cause in retry.on or (cause == ON_ERROR and exit_code in retry.on)


def pause(retry: Retry, failures: int, salt: str) -> float:
    """Seconds until the next try after so many failures. `salt` spreads what fails together; it is no chance."""
    power = retry.factor ** min(failures - 1, 64)
    longest = retry.max_pause / (1 + JITTER)
    return min(retry.initial * power, longest) * (1 + JITTER * _part(salt))


def _part(salt: str) -> float:
    """A number in [0, 1) that follows from a text."""
    return (zlib.crc32(salt.encode()) & 0xFFFF) / 65536
