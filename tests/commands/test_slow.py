"""Progress appears only for what takes long."""

from __future__ import annotations

import sys
import threading

import pytest

from tests.commands.terminal import Terminal, on_a_terminal
from xene.commands import slow
from xene.commands.call import Call


def test_quick_things_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with slow.slow(Call("/x"), "working"):
        pass
    assert capsys.readouterr() == ("", "")


def test_slow_things_say_so_once_and_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "PATIENCE", 0.0)
    said = threading.Event()
    call = Call("/x")
    monkeypatch.setattr(Call, "say", lambda self, text: (sys.stderr.write(text + "\n"), said.set()))
    with slow.slow(call, "working"):
        assert said.wait(20)
    assert capsys.readouterr() == ("", "working ...\n")
    with slow.slow(Call("/x", quiet=True), "working"):
        pass
    assert capsys.readouterr() == ("", "")


PROGRAM = """
import time
from xene.commands import slow
from xene.commands.call import Call
slow.PATIENCE = 0.0
with slow.slow(Call("/x"), "telling \\x1b[2Jthem"):
    time.sleep(0.5)  # until rich has been imported, and drawn
"""


def test_on_a_terminal_it_is_a_spinner_that_goes(xene: Terminal) -> None:
    program = PROGRAM
    code, shown = on_a_terminal([sys.executable, "-c", program], xene.environment())
    assert code == 0 and "telling \\x1b[2Jthem" in shown and "\x1b[?25h" in shown


ASKS = """
import time
from xene.commands import slow
from xene.commands.call import Call
slow.PATIENCE = 0.3
with slow.slow(Call("/x"), "working") as notices:
    with notices.paused():
        print("agreed?", flush=True)
        input()
    print("answered", flush=True)
    time.sleep(0.9)
"""


def test_a_question_is_not_painted_over(xene: Terminal) -> None:
    """The answer comes long after the notice would have."""
    terminal = [sys.executable, "-c", ASKS]
    code, shown = on_a_terminal(terminal, xene.environment(), b"\n", after="agreed?", pause=0.9)
    before, _, then = shown.partition("answered")
    assert code == 0 and "working" not in before and "working" in then


BAR = """
import time
from xene.commands import slow
from xene.commands.call import Call
slow.PATIENCE = 0.0
with slow.bar(Call("/x"), "fetching 4.0Ki", 4096) as notice:
    for _ in range(4):
        time.sleep(0.2)
        notice.advance(1024)
"""


def test_bytes_are_a_bar_with_sizes(xene: Terminal) -> None:
    code, shown = on_a_terminal([sys.executable, "-c", BAR], xene.environment())
    assert code == 0 and "fetching 4.0Ki" in shown and "/4.0 KiB" in shown and "4.0/4.0" in shown
    assert "\x1b[?25h" in shown
