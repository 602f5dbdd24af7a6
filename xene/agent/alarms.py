"""Wake-ups by clocks that `select` does not know: the wall clock, also when it is set, and that of a sleeping host.

Used by `duties`. A timerfd costs nothing while nobody is due. Where there is none, the daemon looks once a minute.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any, Callable, Dict, Optional, Tuple

WALL, BOOT = 0, 7  # CLOCK_REALTIME, CLOCK_BOOTTIME of linux/time.h
LOOK = 60.0  # seconds between looks at a clock without a timerfd
_ABSOLUTE, _CANCEL_ON_SET = 1, 2
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
# An instant beyond all others that a `long` can hold: a timer that is not armed hears of no clock that is set.
_FAR = 2**33 if ctypes.sizeof(ctypes.c_long) == 8 else 2**31 - 1

# timerfd_create and timerfd_settime of each machine's system calls, for a C library that has neither.
_CALLS: Dict[str, Tuple[int, int]] = {"x86_64": (283, 286), "aarch64": (85, 86), "riscv64": (85, 86)}


class Alarm:
    """Calls `ring` when its clock has come to what `set` says, and when the wall clock was set.

    `watch(descriptor, call)` has the loop call when the descriptor is readable.
    """

    def __init__(
        self, clock: int, watch: Callable[[int, Callable[[], None]], None], ring: Callable[[], None]
    ) -> None:
        self._clock, self._ring = clock, ring
        self._set: Optional[float] = None
        self._descriptor = _create(clock)
        if self._descriptor is not None:
            watch(self._descriptor, self._readable)
            self._arm(None)

    @property
    def works(self) -> bool:
        """False where the kernel or the C library gives no such timer: then somebody must look at the clock."""
        return self._descriptor is not None

    def set(self, at: Optional[float]) -> None:
        """Ring at this reading of the clock, or at once if it has passed; None: only when the clock is set."""
        if at != self._set:
            self._arm(at)

    def _arm(self, at: Optional[float]) -> None:
        self._set = at
        if self._descriptor is None:
            return
        flags = _ABSOLUTE | (_CANCEL_ON_SET if self._clock == WALL else 0)
        if _settime(self._descriptor, flags, max(at if at is not None else _FAR, 0.001)) < 0:
            if ctypes.get_errno() != errno.ECANCELED:  # it is armed none the less, says the manual
                raise OSError(ctypes.get_errno(), "timerfd_settime")
            self._set = None

    def _readable(self) -> None:
        assert self._descriptor is not None
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
        self._arm(None)  # what follows sets it anew
        self._ring()


class _Setting(ctypes.Structure):
    """struct itimerspec: no interval; the instant."""

    _fields_ = [("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2)]


def _create(clock: int) -> Optional[int]:
    call = _call(0)
    descriptor = -1 if call is None else int(call(clock, _FLAGS))
    return descriptor if descriptor >= 0 else None


def _settime(descriptor: int, flags: int, at: float) -> int:
    call = _call(1)
    assert call is not None  # there would be no descriptor
    seconds = int(min(at, _FAR))
    setting = _Setting((0, 0), (seconds, int((at - int(at)) * 1e9) if at < _FAR else 0))
    return int(call(descriptor, flags, ctypes.byref(setting), None))


def _call(which: int) -> Optional[Callable[..., Any]]:
    """timerfd_create (0) or timerfd_settime (1), of the C library or of the kernel; None: of neither."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = getattr(libc, ("timerfd_create", "timerfd_settime")[which], None)
    if found is not None:
        return found  # type: ignore[no-any-return]  # ctypes makes functions by name
    numbers = _CALLS.get(os.uname().machine)
    if numbers is None or not hasattr(libc, "syscall"):
        return None
    return lambda *arguments: libc.syscall(ctypes.c_long(numbers[which]), *arguments)
