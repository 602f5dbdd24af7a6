"""Following a branch: whole commits, laid out beside the work tree, by the real git."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import eventually
from xene.control import git, revisions
from xene.control.branch import Branch
from xene.errors import Unreachable


def say(directory: Path, *words: str) -> str:
    """To git, as somebody who works there."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    argv = ["git", *who, "-C", str(directory), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def commit(directory: Path, **files: str | None) -> str:
    """The files as given (None: removed), in a commit; which."""
    for name, text in files.items():
        path = directory / "ops" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.unlink() if text is None else path.write_text(text)
    say(directory, "add", "-A")
    say(directory, "commit", "-qm", "x")
    return say(directory, "rev-parse", "HEAD")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with one commit, and no upstream."""
    path = tmp_path / "tree"
    path.mkdir()
    say(path, "init", "-q")
    commit(path, a="one")
    return path


class Following:
    """A branch that is followed, and how often it told of something new."""

    def __init__(self, directory: Path, checkout: Path) -> None:
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.branch = Branch(str(directory), str(checkout), self.inbox)

    def sees(self, revision: str) -> Path:
        """Wait for a commit; where it is laid out."""
        self.branch.look_again()
        eventually(lambda: self.branch.seen and self.branch.seen.revision == revision, revision)
        assert self.branch.seen is not None and not self.branch.seen.error
        return Path(self.branch.seen.tree)

    def fails(self, words: str) -> None:
        self.branch.look_again()
        eventually(lambda: self.branch.seen and words in self.branch.seen.error, words)


@contextlib.contextmanager
def following(directory: Path, checkout: Path) -> Iterator[Following]:
    made = Following(directory, checkout)
    try:
        yield made
    finally:
        made.branch.close()
        made.branch._thread.join(20)
        assert not made.branch._thread.is_alive()


def files(path: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in path.iterdir() if each.is_file()}


def test_each_commit_replaces_the_one_before(tree: Path, tmp_path: Path) -> None:
    first = say(tree, "rev-parse", "HEAD")
    with following(tree / "ops", tmp_path / "checkout") as made:
        assert files(made.sees(first)) == {"a.yaml": "one"}
        second = commit(tree, a=None, b="two")
        (tree / "ops" / "c.yaml").write_text("in no commit")
        path = made.sees(second)
        assert files(path) == {"b.yaml": "two"} and path == tmp_path / "checkout" / "now" / "ops"
        assert sorted(os.listdir(tmp_path / "checkout")) == ["now"]
        assert sorted(os.listdir(path.parent)) == ["ops"]  # no .git, no index
        say(tree, "reset", "-q", "--hard", first)  # history that was rewritten
        assert files(made.sees(first)) == {"a.yaml": "one"}


def test_what_an_earlier_process_left_there_is_no_trouble(tree: Path, tmp_path: Path) -> None:
    for name in ("now", "next", "old"):
        (tmp_path / "checkout" / name / "ops").mkdir(parents=True)
        (tmp_path / "checkout" / name / "ops" / "stale.yaml").write_text("stale")
    with following(tree / "ops", tmp_path / "checkout") as made:
        assert files(made.sees(say(tree, "rev-parse", "HEAD"))) == {"a.yaml": "one"}


def test_nothing_moves_under_whoever_reads(tree: Path, tmp_path: Path) -> None:
    with following(tree / "ops", tmp_path / "checkout") as made:
        path = made.sees(say(tree, "rev-parse", "HEAD"))
        with made.branch.still:
            second = commit(tree, a="two")
            made.branch.look_again()
            eventually((tmp_path / "checkout" / "next" / "ops" / "a.yaml").exists)
            assert files(path) == {"a.yaml": "one"}
        made.sees(second)
        assert files(path) == {"a.yaml": "two"}


def test_an_upstream_is_fetched_and_without_it_the_last_commit_stands(tree: Path, tmp_path: Path) -> None:
    say(tmp_path, "clone", "-q", str(tree), "clone")
    with following(tmp_path / "clone" / "ops", tmp_path / "checkout") as made:
        made.sees(say(tree, "rev-parse", "HEAD"))
        second = commit(tree, a="two")
        made.sees(second)
        tree.rename(tmp_path / "away")
        made.fails("git fetch")
        assert made.branch.seen is not None and made.branch.seen.revision == second
        (tmp_path / "away").rename(tree)
        assert files(made.sees(commit(tree, a="three"))) == {"a.yaml": "three"}
        assert say(tmp_path / "clone", "status", "--porcelain") == ""


def test_a_clone_that_goes_away_keeps_what_was_seen(tree: Path, tmp_path: Path) -> None:
    first = say(tree, "rev-parse", "HEAD")
    with following(tree / "ops", tmp_path / "checkout") as made:
        path = made.sees(first)
        tree.rename(tmp_path / "away")
        made.fails("git rev-parse")
        assert made.branch.seen is not None and made.branch.seen.revision == first
        assert files(path) == {"a.yaml": "one"}


def test_a_directory_that_is_in_no_commit_yet(tree: Path, tmp_path: Path) -> None:
    (tree / "new").mkdir()
    with following(tree / "new", tmp_path / "checkout") as made:
        assert not made.sees(say(tree, "rev-parse", "HEAD")).exists()


def test_a_git_that_hangs_is_ended_with_all_it_started(tree: Path, tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    say(tree, "config", "alias.hang", f"!sh -c 'echo $$ > {marks}; sleep 300; true'")
    with pytest.raises(Unreachable, match=r"git hang took longer than 0\.5 s"):
        git.ask(str(tree), "hang", seconds=0.5)
    if marks.exists():
        eventually(lambda: not os.path.exists(f"/proc/{marks.read_text().strip()}"), "its child is gone")


def test_git_asks_nobody(tree: Path) -> None:
    say(tree, "config", "alias.asked", "!echo $GIT_TERMINAL_PROMPT; cat")
    assert git.ask(str(tree), "asked") == "0"


def test_the_revision_of_what_is_applied(tree: Path, tmp_path: Path) -> None:
    first = say(tree, "rev-parse", "HEAD")
    assert revisions.of(str(tree / "ops")) == revisions.of(str(tree / "ops" / "a.yaml")) == first
    (tree / "elsewhere").write_text("x")
    assert revisions.of(str(tree / "ops")) == first
    (tree / "ops" / "a.yaml").write_text("changed")
    assert revisions.of(str(tree / "ops")) == f"{first}+changes"
    assert revisions.shown(f"{first}+changes") == f" at {first[:12]}+changes"
    assert revisions.of(str(tmp_path)) == "" == revisions.shown("")


def test_without_a_commit_or_without_git_there_is_no_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(tmp_path, "init", "-q")
    assert revisions.of(str(tmp_path)) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revisions.of(str(tmp_path)) == ""
    with pytest.raises(Unreachable, match="there is no program git"):
        git.root(str(tmp_path))
