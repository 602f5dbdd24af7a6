"""What is kept of a directory that is followed: written when something is new, told once, over when it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import Host
from xene.control import gitops
from xene.control.gitops import Standing, Wanted
from xene.store import views
from xene.store.db import State

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: %s}
spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: "true"}]}}}}}
"""


class Kept:
    """A directory that is applied when a test says so."""

    def __init__(self, host: Host, directory: Path, state: State) -> None:
        self.host, self.directory, self.state = host, directory, state
        directory.mkdir()
        (directory / "a.yaml").write_text(FLOW % "a")

    def bring(self, **more: Any) -> Standing:
        wanted = Wanted(str(self.directory), more.pop("tree", str(self.directory)), **more)
        standing = gitops.bring(self.host.place, self.state, wanted)
        with self.state.snapshot() as conn:
            assert gitops.read(conn) is not None
        return standing

    def told(self) -> list[str]:
        return [row["reason"] for row in reversed(views.events(self.state, kind="Source"))]

    def names(self) -> list[str]:
        return [row["name"] for row in views.workflows(self.state)]


@pytest.fixture
def kept(host: Host, tmp_path: Path) -> Any:
    with host.state() as state:
        yield Kept(host, tmp_path / "ops", state)


def test_it_is_applied_once_and_told_once(kept: Kept) -> None:
    first = kept.bring()
    assert kept.names() == ["a"] and first.error == "" and first.source == str(kept.directory)
    again = kept.bring()
    assert again.applied_at == first.applied_at and kept.told() == ["Applied"]


def test_looking_in_vain_writes_nothing(kept: Kept) -> None:
    kept.bring()
    before = kept.state.conn.total_changes
    kept.bring()
    assert kept.state.conn.total_changes == before


def test_a_mistake_keeps_the_state_and_is_told_once(kept: Kept) -> None:
    kept.bring()
    (kept.directory / "a.yaml").write_text("kind: Nothing\n")
    found = [kept.bring() for _ in range(3)]
    assert f"{kept.directory}/a.yaml:1" in found[0].error and kept.names() == ["a"]
    (kept.directory / "a.yaml").write_text(FLOW % "a")
    assert kept.bring().error == ""
    assert kept.told() == ["Applied", "ApplyRefused", "ApplyMended"]


def test_most_of_it_is_never_removed_at_once(kept: Kept) -> None:
    for name in "bcd":
        (kept.directory / f"{name}.yaml").write_text(FLOW % name)
    kept.bring()
    for name in "bcd":
        (kept.directory / f"{name}.yaml").unlink()
    assert kept.bring().error and len(kept.names()) == 4


def test_what_is_laid_out_elsewhere_belongs_to_the_directory_that_people_know(
    kept: Kept, tmp_path: Path
) -> None:
    """So that an apply by hand from there is of the same source."""
    kept.directory.rename(tmp_path / "now")
    top = (str(tmp_path / "now"), str(kept.directory))
    found = kept.bring(tree=str(tmp_path / "now"), top=top, revision="a" * 40)
    assert (found.source, found.revision) == (str(kept.directory), "a" * 40)
    (tmp_path / "now" / "a.yaml").write_text("kind: Nothing\n")
    found = kept.bring(tree=str(tmp_path / "now"), top=top, revision="b" * 40)
    assert f"{kept.directory}/a.yaml:1" in found.error and "now" not in found.error
    assert found.revision == "a" * 40  # that one is applied


def test_two_troubles_are_both_told(kept: Kept) -> None:
    (kept.directory / "a.yaml").write_text("kind: Nothing\n")
    found = kept.bring(error="git fetch: no route")
    assert "git fetch: no route; and " in found.error and "a.yaml" in found.error
    (kept.directory / "a.yaml").write_text(FLOW % "a")
    assert kept.bring(error="git fetch: no route").error == "git fetch: no route"
    assert kept.names() == ["a"]


def test_nothing_was_had_yet(kept: Kept) -> None:
    assert kept.bring(tree="", error="git fetch: no route").error == "git fetch: no route"
    assert kept.names() == []


def test_it_is_forgotten_when_none_is_followed_any_more(kept: Kept) -> None:
    kept.bring()
    gitops.forget(kept.state)
    with kept.state.snapshot() as conn:
        assert gitops.read(conn) is None
    before = kept.state.conn.total_changes
    gitops.forget(kept.state)
    assert kept.state.conn.total_changes == before


def test_another_directory_begins_anew(kept: Kept, tmp_path: Path) -> None:
    (kept.directory / "a.yaml").write_text("kind: Nothing\n")
    kept.bring()
    kept.directory = tmp_path / "other"
    kept.directory.mkdir()
    (kept.directory / "b.yaml").write_text(FLOW % "b")
    assert kept.bring().error == "" and kept.names() == ["b"]
