"""What is told of an act: what came of it, not what its command was about to do."""

from __future__ import annotations

import pytest

from xene.plan.drawing.spans import text_of
from xene.tui.commandline import Ran
from xene.tui.outcomes import outcome

RUN = "20261123-023000-k7q2m4xa"


@pytest.mark.parametrize(
    "ran, told",
    [
        (Ran(("suspend", "a"), 0, "a is suspended\n", "telling the agents ...\n"), "a is suspended"),
        (Ran(("suspend", "a"), 0, "a is suspended\n", "waits\nhint: look\n"), "waits"),
        (Ran(("run", "a"), 0, f"{RUN}\n", "handing over ...\n"), RUN),
        (Ran(("run", "a"), 0, f"{RUN}\n", "it waits\nhanding over ...\n"), f"{RUN} it waits"),
    ],
)
def test_what_a_command_was_about_to_do_is_not_what_came_of_it(ran: Ran, told: str) -> None:
    (line,) = outcome("xene x", ran)
    assert text_of(line).rstrip() == f"✓ $ xene x  {told}"
