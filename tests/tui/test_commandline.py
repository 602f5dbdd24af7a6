"""Commands that the screen runs: what it was told to do is done, whenever somebody leaves."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleet import Fleet, fleet
from tests.hosts import end_agents
from xene.tui.commandline import CommandLine, end

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    sleeps: {tasks: {t: {steps: [{name: s, exec: [sleep, "600"]}]}}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Fleet:
    with fleet(tmp_path, "local", 1) as made:
        made.write("shop.yaml", SHOP)
        made.apply()
        yield made


def begun(made: Fleet, *acts: tuple[str, ...], at_once: bool = True) -> list[int]:
    """Begin each of these; with `at_once` ask it to end long before Python is up in it. The exit codes."""

    async def scene() -> list[int]:
        line = CommandLine(str(made.home / "state.db"), str(made.home), named=False)
        found = []
        for words in acts:
            process = await line.start(words, act=True)
            if at_once:
                end(process)
            await process.communicate()
            found.append(process.returncode or 0)
        return found

    return asyncio.run(scene())


def test_an_act_that_is_asked_to_end_before_it_has_begun_is_done(shop: Fleet) -> None:
    run = shop.xene("run", "shop/sleeps").out.strip()
    codes = begun(shop, ("suspend", "shop"), ("cancel", run))
    assert set(codes) <= {0, -signal.SIGTERM}
    assert shop.get("workflow", "shop")["suspended"]
    shop.xene("wait", run, code=1)
    assert shop.get("run", run)["reason"] == "Cancelled"


def test_what_an_act_starts_can_be_ended(shop: Fleet) -> None:
    """The signal that is put off for the command is not put off for an agent that it starts, nor for its steps."""
    end_agents(shop.root)
    assert begun(shop, ("reconcile",), at_once=False) == [0]
    run = shop.xene("run", "shop/sleeps").out.strip()
    shop.xene("wait", run, "--for", "Running")
    shop.xene("cancel", run)
    shop.xene("wait", run, code=1)
    (task,) = shop.get("run", run)["tasks"].values()
    assert task["steps"][0]["exitCode"] == 128 + signal.SIGTERM


def test_an_act_is_done_though_the_screen_is_killed_at_once(shop: Fleet) -> None:
    """Nobody reads any more what the command says, and its parent has gone."""
    run = shop.xene("run", "shop/sleeps").out.strip()
    subprocess.run([sys.executable, "-c", KILLED, str(shop.home), run], check=True)
    shop.xene("wait", run, code=1)
    assert shop.get("run", run)["reason"] == "Killed"


KILLED = """
import asyncio, os, sys
from xene.tui.commandline import CommandLine

home, run = sys.argv[1:]
line = CommandLine(home + "/state.db", home, named=False)
start = line.start

async def killed(*words, **more):
    await start(*words, **more)
    line.end_all()
    os._exit(0)

line.start = killed
asyncio.run(line.run(["kill", run], act=True))
"""
