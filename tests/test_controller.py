"""The controller as a user meets it: real processes that are killed, stopped and asked, with real agents.

What a step does is told by marks in files: that it began once, and went on whatever happened to controllers.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import daemon
from tests.fleet import Fleet, fleet, until

SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    quick: {tasks: {t: {steps: [{name: s, run: "true"}]}}}
    long:
      tasks:
        t: {steps: [{name: s, run: 'echo $XENE_RUN >> MARKS; until [ -e ENOUGH ]; do sleep 0.1; done'}]}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One agent, a quick pipeline and one that goes on until its run is told that it is enough."""
    root = tmp_path_factory.mktemp("shop")
    with fleet(root, "local", count=1) as made:
        text = SHOP.replace("MARKS", str(root / "marks")).replace("ENOUGH", f"{root}/enough-$XENE_RUN")
        made.write("shop.yaml", text)
        made.apply()
        yield made


class Long:
    """A run of the long pipeline that has begun."""

    def __init__(self, shop: Fleet) -> None:
        self.shop = shop
        (self.id,) = shop.xene("run", "shop/long").out.split()
        until(lambda: self.id in self.marks(), "the step begins")

    def marks(self) -> list[str]:
        path = self.shop.root / "marks"
        return path.read_text().split() if path.exists() else []

    def ends(self) -> None:
        """Let it end: right, having run once."""
        (self.shop.root / f"enough-{self.id}").touch()
        self.shop.xene("wait", self.id)
        assert self.shop.get("runs", self.id)["phase"] == "Success"
        assert self.marks().count(self.id) == 1


def epoch(made: Fleet) -> int:
    with sqlite3.connect(made.home / "state.db") as conn:
        return int(conn.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0])


def test_a_second_one_takes_over_when_the_first_is_killed(shop: Fleet) -> None:
    assert "as of" in shop.xene("get", "agents", "-v").err
    with daemon(shop) as first:
        first.says("at work on")
        with daemon(shop) as second:
            second.says(f"standing by: process {first.child.pid} is at work")
            run, before = Long(shop), epoch(shop)
            first.end(signal.SIGKILL)
            second.says("took over, with epoch")
            assert epoch(shop) > before
            run.ends()
            assert "as of" not in shop.xene("get", "agents", "-v").err
            assert second.end() == 0


def test_one_that_hangs_is_replaced_and_ends_when_it_goes_on(shop: Fleet) -> None:
    with daemon(shop) as first:
        first.says("at work on")
        run = Long(shop)
        first.send(signal.SIGSTOP)
        with daemon(shop, impatient=True) as second:
            second.says("took over, with epoch")
            run.ends()
            first.send(signal.SIGCONT)
            assert first.child.wait(timeout=30) == 7
            assert "another controller has taken over" in first.said
            assert second.child.poll() is None
            shop.xene("run", "shop/quick", "--wait")


def test_one_that_waits_for_its_turn_lets_a_command_finish(shop: Fleet) -> None:
    run = Long(shop)
    waiting = shop.start("wait", run.id)  # it is at work itself
    until((shop.home / "state.db.wake").exists, "the command is at work")
    with daemon(shop, impatient=True) as controller:
        controller.says(f"standing by: process {waiting.pid}")
        run.ends()
        assert waiting.wait(timeout=30) == 0
        controller.says("at work on")
    waiting.communicate()


def test_sigterm_ends_it_and_nothing_else(shop: Fleet) -> None:
    with daemon(shop) as controller:
        controller.says("at work on")
        run = Long(shop)
        assert controller.end() == 0
        assert "agents go on" in controller.said
    assert shop.get("runs", run.id)["phase"] == "Running"
    run.ends()


def daemon_pid(made: Fleet) -> int:
    (path,) = made.root.glob("agent-1/*/*/daemon.pid")
    return int(path.read_text().split()[0])


@pytest.mark.soak
def test_a_stopped_agent_is_unknown_within_half_a_minute(shop: Fleet) -> None:
    """Its connection stands, and nobody is told anything."""
    with daemon(shop) as controller:
        controller.says("at work on")
        run, pid = Long(shop), daemon_pid(shop)
        since = datetime.now(UTC)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: shop.get("runs", run.id)["phase"] == "Unknown", "it is missed")
            found = shop.get("runs", run.id)
            late = datetime.fromisoformat(found["phaseSince"]) - since
            assert found["lastKnownPhase"] == "Running" and late.total_seconds() < 32
            assert shop.get("agents", "host-1")["reason"] == "Silent"
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: shop.get("runs", run.id)["phase"] == "Running", "it is heard again")
        run.ends()


def test_its_state_is_replaced_under_it(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        made.apply()
        with daemon(made) as controller:
            controller.says("at work on")
            made.xene("backup", str(tmp_path / "copy.db"))
            os.rename(tmp_path / "copy.db", made.home / "state.db")
            assert controller.child.wait(timeout=30) == 74
            assert "was removed or replaced" in controller.said


# -- a directory


def reasons(made: Fleet) -> list[str]:
    return [row["reason"] for row in made.get("events") if row["kind"] == "Source"]


def has(made: Fleet, *names: str) -> Any:
    return lambda: {row["name"] for row in made.get("workflows")} == set(names)


QUICK = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: %s}
spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: "true"}]}}}}}
"""


def test_a_directory_is_followed_and_a_mistake_in_it_changes_nothing(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        made.write("a.yaml", QUICK % "a")
        made.write("b.yaml", QUICK % "b")
        with daemon(made, "--repo", str(made.repository)) as controller:
            until(has(made, "a", "b"), "what is there at the start is applied")
            made.write("c.yaml", QUICK % "c")
            until(has(made, "a", "b", "c"), "what comes is applied")
            made.write("c.yaml", QUICK.replace("pipelines", "pipelynes") % "c")
            controller.says("is not applied")
            assert has(made, "a", "b", "c")()
            assert "ApplyRefused" in reasons(made)
            why = made.xene("why", "workflow/a").out
            assert f"what stands in {made.repository} now is not applied" in why and "c.yaml:4" in why
            (made.repository / "c.yaml").unlink()
            until(has(made, "a", "b"), "what was mended is applied, and what has gone is removed")
            assert "is not applied" not in made.xene("why", "workflow/a").out
            vanishes_and_returns(made, controller)


def vanishes_and_returns(made: Fleet, controller: Any) -> None:
    """A directory that is not there is no empty one."""
    away = made.root / "away"
    made.repository.rename(away)
    controller.says("no such file or directory")
    assert has(made, "a", "b")()
    (away / "d.yaml").write_text(QUICK % "d")
    away.rename(made.repository)
    until(has(made, "a", "b", "d"), "the directory is followed when it is back")


# -- git


def git(directory: Path, *words: str) -> str:
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *author, "-C", str(directory), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def cloned(tmp_path: Path) -> Iterator[tuple[Fleet, Path]]:
    """A fleet whose repository is a work tree at which somebody works, and a clone for the controller."""
    with fleet(tmp_path, "local", count=1) as made:
        made.write("a.yaml", QUICK % "a")
        git(tmp_path, "init", "-q", "--bare", "origin.git")
        git(made.repository, "init", "-q")
        git(made.repository, "remote", "add", "origin", str(tmp_path / "origin.git"))
        push(made)
        git(tmp_path, "clone", "-q", str(tmp_path / "origin.git"), "clone")
        yield made, tmp_path / "clone"


def push(made: Fleet) -> str:
    """Commit all there is; the commit."""
    git(made.repository, "add", "-A")
    git(made.repository, "commit", "-qm", "more")
    git(made.repository, "push", "-q", "-u", "origin", "HEAD:main")
    return git(made.repository, "rev-parse", "HEAD")


def applied(made: Fleet, commit: str) -> Any:
    return lambda: any(
        row["reason"] == "Applied" and f" at {commit[:12]}:" in row["message"] for row in made.get("events")
    )


def test_a_branch_is_followed_commit_by_commit(cloned: tuple[Fleet, Path]) -> None:
    made, clone = cloned
    with daemon(made, "--repo", str(clone), "--git") as controller:
        until(has(made, "a"), "the branch is applied")
        (clone / "b.yaml").write_text(QUICK % "in-no-commit")
        made.write("b.yaml", QUICK % "b")
        second = push(made)
        controller.send(signal.SIGHUP)  # it would look by itself, in half a minute
        until(applied(made, second), "the next commit is applied, and recorded")
        assert has(made, "a", "b")()
        assert (clone / "b.yaml").read_text() == QUICK % "in-no-commit"  # nobody touched the work tree

        made.write("a.yaml", "nonsense: true\n")
        push(made)
        controller.send(signal.SIGHUP)
        controller.says(f"{clone} is not applied: {clone}/a.yaml:1")
        assert has(made, "a", "b")()

        made.write("a.yaml", QUICK % "a")
        (made.root / "origin.git").rename(made.root / "gone.git")
        controller.send(signal.SIGHUP)
        controller.says("is not applied: git fetch: ")
        (made.root / "gone.git").rename(made.root / "origin.git")
        made.write("c.yaml", QUICK % "c")
        third = push(made)
        controller.send(signal.SIGHUP)
        until(applied(made, third), "it goes on when the remote is back")
        assert has(made, "a", "b", "c")()


def test_a_plain_apply_records_the_revision_too(cloned: tuple[Fleet, Path]) -> None:
    made, _ = cloned
    made.apply()
    commit = git(made.repository, "rev-parse", "HEAD")
    assert applied(made, commit)()
    made.write("b.yaml", QUICK % "b")
    made.apply()
    assert any(f" at {commit[:12]}+changes:" in (row["message"] or "") for row in made.get("events"))


def test_no_work_tree_is_refused(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        refused = made.xene("controller", "--repo", str(made.repository), "--git", code=4)
        assert "is in no work tree of git" in refused.err
        assert "--git says how DIR of --repo" in made.xene("controller", "--git", code=2).err


# -- apply --watch


def test_apply_goes_on_until_ctrl_c(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        made.write("a.yaml", QUICK % "a")
        made.write("b.yaml", QUICK % "b")
        with (tmp_path / "said").open("wb") as file:
            watching = made.start("apply", str(made.repository), "--yes", "--watch", into=file)
        try:
            until(has(made, "a", "b"), "it is applied at once")
            made.write("a.yaml", QUICK.replace("kind", "king") % "a")
            until(lambda: "error: 1 problem in 1 file" in (tmp_path / "said").read_text(), "it is told")
            assert has(made, "a", "b")() and watching.poll() is None
            made.write("a.yaml", QUICK % "c")
            until(has(made, "b", "c"), "what changes is applied, and what has gone is removed")
            watching.send_signal(signal.SIGINT)
            assert watching.wait(timeout=30) == 130
        finally:
            watching.kill()
            watching.wait()
        assert "is watched no longer" in (tmp_path / "said").read_text()


def test_a_file_can_be_watched_too(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        made.write("other.yaml", QUICK % "other")
        path = made.write("a.yaml", QUICK % "a")
        with (tmp_path / "said").open("wb") as file:
            watching = made.start("apply", str(path), "--watch", into=file)
        try:
            until(has(made, "a"), "it is applied at once")
            (tmp_path / "new").write_text(QUICK % "a" + "---\n" + QUICK % "b")
            (tmp_path / "new").rename(path)  # as editors do
            until(has(made, "a", "b"), "its next version is applied, and nothing beside it")
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait()


def test_what_is_done_again_and_again_prints_no_plan_for_programs(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        for words in (["--dry-run"], ["-o", "json"], ["--if-unchanged", "x"]):
            made.xene("apply", str(made.repository), "--watch", *words, code=2)
