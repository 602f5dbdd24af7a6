"""`xene kill`: end a run at once."""

from __future__ import annotations

from xene.commands import options
from xene.commands.call import Call
from xene.commands.cancel import stop


def kill(call: Call, run: options.Run) -> int:
    """Stop a run at once: SIGKILL to all of its processes, no clean-up of its own.

    Exit codes as for 'cancel'.
    """
    return stop(call, run, kill=True)
