"""`xene resume`: triggers start a workflow or a pipeline again."""

from __future__ import annotations

from xene.commands.call import Call
from xene.commands.suspend import Target, say


def resume(call: Call, target: Target) -> int:
    """Let triggers start a workflow, or one pipeline of it, again.

    What was due meanwhile stays skipped: nothing is caught up. It takes back what 'xene suspend' said; where the
    manifest itself suspends the workflow, the word is kept over later applies. Agents that could not be told are
    named: exit 5; they are told when they are back.
    """
    return say(call, target, False)
