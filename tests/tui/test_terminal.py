"""A real terminal, keys, a controller at work, two hosts behind sshd: what is shown is what happens there."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests.fleet import Fleet, fleet, until
from tests.tui.tmux import ROOT, Tmux, terminal

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop, labels: {team: web}}
spec:
  pipelines:
    build:
      placement: {agent: host-1}
      params: {word: {type: string, default: nothing}, count: {type: integer}}
      tasks:
        make:
          steps:
            - {name: say, run: 'echo "made $XENE_PARAM_WORD $XENE_PARAM_COUNT"'}
            - {name: wait, run: 'until [ -e GO_ON ]; do sleep 0.05; done; echo went on'}
        ship: {needs: [make], steps: [{name: s, run: echo shipped}]}
    fails:
      placement: {agent: host-2}
      tasks: {t: {steps: [{name: s, run: 'echo "no \\033[31mluck\\033[0m"; exit 3'}]}}
    asks:
      placement: {agent: host-2}
      tasks: {t: {approval: {message: "Really?"}, steps: [{name: s, run: echo yes}]}}
    sleeps:
      placement: {agent: host-1}
      tasks: {t: {steps: [{name: s, run: sleep 600}]}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("terminal"), "ssh+controller", 2) as made:
        made.write("shop.yaml", SHOP.replace("GO_ON", str(made.root / "go-on")))
        made.apply()
        yield made


def newest(shop: Fleet, pipeline: str) -> dict[str, object]:
    found: dict[str, object] = shop.get("run", f"shop/{pipeline}")
    return found


def screen(shop: Fleet, tmp_path: Path, *words: str):  # type: ignore[no-untyped-def]
    home = {"XENE_HOME": str(shop.home), "HOME": str(tmp_path)}
    return terminal(tmp_path, ["status", *words], home)


def filtered(tmux: Tmux, text: str) -> None:
    """Type a filter, until the cursor stands on the pipeline of that name."""
    tmux.press("/")
    tmux.sees("words, and selectors" if not text.startswith(" ") else "team=web")
    tmux.type(text)
    tmux.press("Enter")
    tmux.sees(f"shop/{text.strip()} Scheduled")


def test_a_run_is_started_followed_and_ends(shop: Fleet, tmp_path: Path) -> None:
    with screen(shop, tmp_path) as tmux:
        tmux.sees("control:  at work", "▾ shop 4", "host-1", "host-2", "Ready")
        filtered(tmux, "build")
        tmux.press("r")
        tmux.sees("count *", "$ xene run shop/build")
        tmux.type("fine")
        tmux.press("Tab")
        tmux.type("12")
        tmux.sees("-p word=fine", "-p count=12")
        tmux.press("Enter")
        tmux.sees("✓ $ xene run shop/build", "●")
        tmux.press("Enter")
        tmux.sees("made fine 12", "● shop/build", "follows")
        (shop.root / "go-on").touch()
        tmux.sees("went on", "shipped", "✓ Success")
        tmux.press("2")
        tmux.sees("│ ✓ make │", "│ ✓ ship │")
        tmux.press("q")
        tmux.sees("left with 0")
    assert newest(shop, "build")["params"] == {"word": "fine", "count": 12}


def test_what_failed_is_looked_into_and_tried_again(shop: Fleet, tmp_path: Path) -> None:
    shop.xene("run", "shop/fails", "--wait", code=1)
    with screen(shop, tmp_path) as tmux:
        tmux.press("2")
        tmux.sees("shop/fails", "StepFailed")
        tmux.press("Enter")
        tmux.sees("no luck", "exit 3")
        tmux.press("5")
        tmux.sees("task t ended in Error")
        tmux.press("t")
        tmux.sees("Try again what failed")
        tmux.press("y")
        tmux.sees("✓ $ xene retry")
        until(lambda: newest(shop, "fails")["attempt"] == 2, "the second attempt")
        before = newest(shop, "fails")["id"]
        until(lambda: newest(shop, "fails")["phase"] == "Error", "its end")
        tmux.sees("R Rerun")
        tmux.press("R")
        tmux.sees("Start a new run of shop/fails")
        tmux.press("y")
        tmux.sees("✓ $ xene rerun")
        until(lambda: newest(shop, "fails")["id"] != before, "the new run")
        tmux.sees(f"{newest(shop, 'fails')['id']}  on host-2")


def test_an_approval_is_given(shop: Fleet, tmp_path: Path) -> None:
    shop.xene("run", "shop/asks")
    with screen(shop, tmp_path) as tmux:
        tmux.sees("1 run for approval")
        filtered(tmux, "asks")
        tmux.press("Enter")
        tmux.sees("t WaitingForApproval")
        tmux.press("a")
        tmux.sees("Task t of shop/asks asks: Really?", "enter sends it")
        tmux.type("looked at it")
        tmux.sees("-m 'looked at it'")
        tmux.press("Enter")
        tmux.sees("✓ $ xene approve", "✓ Success")
    assert newest(shop, "asks")["phase"] == "Success"


def test_a_run_is_cancelled_after_a_question(shop: Fleet, tmp_path: Path) -> None:
    shop.xene("run", "shop/sleeps")
    with screen(shop, tmp_path, "-l", "team=web") as tmux:
        filtered(tmux, " sleeps")
        tmux.sees("●")
        tmux.press("c")
        tmux.sees("finally tasks run", "$ xene cancel")
        tmux.press("y")
        tmux.sees("✓ $ xene cancel", "✗  ")
    assert newest(shop, "sleeps")["reason"] == "Cancelled"


def test_nothing_that_is_pasted_answers_a_question(shop: Fleet, tmp_path: Path) -> None:
    """A line of a log with colours in it: what stands behind them is no key."""
    run = shop.xene("run", "shop/sleeps").out.strip()
    with screen(shop, tmp_path, "-l", "team=web") as tmux:
        filtered(tmux, " sleeps")
        tmux.sees("●")
        tmux.press("k")
        tmux.sees("$ xene kill")
        tmux.paste("abc \x1b[32my\x1b[0m\r")
        tmux.press("Escape")  # comes behind the paste
        tmux.sees("k Kill")
        assert "✓ $ xene kill" not in tmux.text
    assert shop.get("run", run)["phase"] == "Running"
    shop.xene("cancel", run)


def test_an_act_is_done_though_the_screen_is_left_at_once(shop: Fleet, tmp_path: Path) -> None:
    run = shop.xene("run", "shop/sleeps").out.strip()
    with screen(shop, tmp_path, "-l", "team=web") as tmux:
        filtered(tmux, " sleeps")
        tmux.sees("●")
        tmux.press("k")
        tmux.sees("$ xene kill")
        tmux.type("yqq")  # in one go
        tmux.sees("left with 0")
    until(lambda: shop.get("run", run)["reason"] == "Killed", "the run is killed")


def test_an_act_is_done_though_the_terminal_is_closed_at_once(shop: Fleet, tmp_path: Path) -> None:
    run = shop.xene("run", "shop/sleeps").out.strip()
    with screen(shop, tmp_path, "-l", "team=web") as tmux:
        filtered(tmux, " sleeps")
        tmux.sees("●")
        tmux.press("k")
        tmux.sees("$ xene kill")
        tmux.press("y")
        until(lambda: any(f"{mark} $ xene kill" in tmux.text for mark in "…✓"), "it has begun")
    until(lambda: shop.get("run", run)["reason"] == "Killed", "the run is killed")


def test_an_agent_is_cordoned(shop: Fleet, tmp_path: Path) -> None:
    with screen(shop, tmp_path) as tmux:
        tmux.press("3")
        tmux.sees("host-1", "Ready")
        tmux.press("o")
        tmux.sees("✓ $ xene cordon host-1", "Ready,Cordoned")
        tmux.press("o")
        tmux.sees("✓ $ xene uncordon host-1")
    assert not shop.get("agent", "host-1")["cordoned"]


def test_a_bug_leaves_a_report_and_a_terminal_that_works(shop: Fleet, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BUG)
    home = {"XENE_HOME": str(shop.home), "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with terminal(tmp_path, ["status"], home) as tmux:
        tmux.sees("this is a bug in xene: ZeroDivisionError", "a report is in", "left with 70")
        assert "Traceback" not in tmux.text
    (report,) = (shop.home / "crashes").iterdir()
    assert "ZeroDivisionError: a bug" in report.read_text()


BUG = """\
from xene.tui.sheet import Sheet
def render_line(self, y):
    raise ZeroDivisionError("a bug")
Sheet.render_line = render_line
"""


def test_a_screen_that_may_only_look(shop: Fleet, tmp_path: Path) -> None:
    with screen(shop, tmp_path, "--read-only") as tmux:
        tmux.sees("▾ shop 4")
        tmux.press("s")
        tmux.press("?")
        tmux.sees("called with --read-only")
    assert not any(row["suspended"] for row in shop.get("pipelines"))
