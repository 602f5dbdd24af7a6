"""`xene reject`: a task that waits for an approval does not run."""

from __future__ import annotations

from xene.commands import options
from xene.commands.approve import Message, Task, answer
from xene.commands.call import Call


def reject(call: Call, run: options.Run, task: Task, message: Message = None) -> int:
    """Refuse a task that waits for approval: it ends NotExecuted, reason Rejected, and the run in Error.

    Exit codes as for 'approve'.
    """
    return answer(call, run, task, message, approved=False)
