"""A real terminal that is killed, has another encoding, and into which anything is pasted."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from tests.fleet import Fleet, fleet, until
from tests.tui.tmux import Tmux, terminal

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    says:
      params: {word: {type: string, default: nothing}}
      tasks: {t: {steps: [{name: s, run: 'printf "%s\\n" "$XENE_PARAM_WORD"; sleep 600'}]}}
      concurrencyPolicy: Replace
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("hostile"), "local+controller", 1) as made:
        made.write("shop.yaml", SHOP)
        made.apply()
        yield made
        made.xene("kill", "shop/says", code=None)


def screen(shop: Fleet, tmp_path: Path, **env: str):  # type: ignore[no-untyped-def]
    return terminal(tmp_path, ["status"], {"XENE_HOME": str(shop.home), "HOME": str(tmp_path), **env})


def begin(tmux: Tmux) -> None:
    tmux.sees("control:  at work", "shop/says", "r Run")
    tmux.press("r")
    tmux.sees("word", "$ xene run shop/says")


def test_what_is_pasted_is_what_the_run_gets_and_what_the_line_says(shop: Fleet, tmp_path: Path) -> None:
    with screen(shop, tmp_path) as tmux:
        begin(tmux)
        tmux.paste('it\'s "two"\nlines $HOME `x` \\n %s 日本')
        tmux.sees('it\'s "two"␊lines')
        tmux.press("Enter")
        text = tmux.sees("✓ $ xene run shop/says", "日本')\"")
    wanted = 'it\'s "two"\nlines $HOME `x` \\n %s 日本'
    assert shop.get("run", "shop/says")["params"] == {"word": wanted}
    line = " ".join(each.strip() for each in text[text.index("$ xene run") + 1 :].split("\n"))
    words = line[: line.index("日本')\"") + len("日本')\"")].strip()
    said = subprocess.run(["sh", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True).stdout
    assert said.decode().split("\0")[:-1] == ["xene", "run", "shop/says", "-p", f"word={wanted}"]


def test_a_screen_that_is_killed_leaves_no_process(shop: Fleet, tmp_path: Path) -> None:
    shop.xene("run", "shop/says", "-p", "word=there")
    with screen(shop, tmp_path) as tmux:
        tmux.sees("shop/says", "●")
        tmux.press("Enter")
        tmux.sees("there", "follows")
        (pid,) = tmux.processes
        left = tmux.started()
        assert any(" logs " in line for line in left.values())
        os.kill(int(pid), signal.SIGKILL)
        tmux.sees("left with 137")
        until(lambda: not any(os.path.exists(f"/proc/{each}") for each in left), "all of it has ended")
    assert shop.get("run", "shop/says")["phase"] == "Running"  # nothing but the watching has


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_screen_that_is_asked_to_end_leaves_no_process(shop: Fleet, tmp_path: Path, end: int) -> None:
    shop.xene("run", "shop/says", "-p", "word=there")
    with screen(shop, tmp_path) as tmux:
        tmux.sees("shop/says", "●")
        tmux.press("Enter")
        tmux.sees("there", "follows")
        (pid,) = tmux.processes
        left = tmux.started()
        os.kill(int(pid), end)
        tmux.sees("left with")
        until(lambda: not any(os.path.exists(f"/proc/{each}") for each in left), "all of it has ended")


def test_a_terminal_that_is_no_utf_8(shop: Fleet, tmp_path: Path) -> None:
    shop.xene("run", "shop/says")
    with screen(shop, tmp_path, PYTHONIOENCODING="ascii") as tmux:
        tmux.sees("shop/says", "o")
        tmux.press("Enter")
        tmux.sees("|1 Log", "o shop/says")
        tmux.press("2")
        text = tmux.sees("| o t |", "+-----+")
        assert text.isascii() and "\\u" not in text
