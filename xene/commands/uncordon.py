"""`xene uncordon`: an agent takes new pipelines again."""

from __future__ import annotations

from xene.commands import options
from xene.commands.call import Call
from xene.commands.cordon import say


def uncordon(call: Call, agent: options.Agent) -> int:
    """Let an agent take new pipelines again, after 'xene cordon' or 'xene drain'. Nothing moves back by itself.

    Where the manifest itself cordons the agent, the word is kept over later applies.
    """
    return say(call, agent, False)
