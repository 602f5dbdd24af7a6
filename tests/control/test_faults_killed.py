"""Commands killed with SIGKILL where they write: the next command finds everything right.

Real processes, the real agent of this host. `tests.dying` names the points; the quick form tries those between
which something different is on disk, the soak every one that a command passes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import preloaded
from tests.fleet import Fleet, fleet, until
from xene.store import db, runs, views

ROOT = Path(__file__).parents[2]
PASSES = 10  # reconciles until nothing may be left to do
LINES = b"hello\nagain\n"


class Shop:
    """A fleet whose runs say in one file that they ran, and what became of them."""

    def __init__(self, hosts: Fleet) -> None:
        self.hosts, self.version = hosts, 0
        self.ran = hosts.root / "ran"
        self.ran.touch()
        self.change()
        hosts.apply()

    def change(self) -> None:
        """Two workflows of the next version: an apply changes both, or none."""
        self.version += 1
        for name in ("shop", "shed"):
            self.hosts.write(f"{name}.yaml", json.dumps(self.workflow(name)))

    def workflow(self, name: str) -> dict[str, Any]:
        begin = f"echo $XENE_RUN >> {self.ran}"
        scripts = {"build": f"{begin}; echo hello; echo again", "long": f"echo long; {begin}; exec sleep 600"}
        pipelines = {
            key: {
                "placement": {"agent": "host-1"},
                "tasks": {"one": {"steps": [{"name": "s", "run": script}]}},
            }
            for key, script in scripts.items()
        }
        return {
            "apiVersion": "xene/v1",
            "kind": "Workflow",
            "metadata": {"name": name},
            "spec": {"env": {"VERSION": f"v{self.version}"}, "pipelines": pipelines},
        }

    def dies(self, point: str, *words: str) -> bool:
        """Whether the command passed `point`, and died there."""
        return self._dying([point, "--", *words]).returncode == -signal.SIGKILL

    def points(self, *words: str) -> list[str]:
        """All points that a command passes; it is not disturbed."""
        listing = self.hosts.root / "points"
        listing.write_text("")
        done = self._dying(["--list", str(listing), "--", *words])
        assert done.returncode == 0, done.stderr
        return listing.read_text().splitlines()

    def _dying(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "XENE_HOME": str(self.hosts.home), "PYTHONPATH": str(ROOT), **self.hosts.env}
        return preloaded.run("tests.dying", words, env, cwd=self.hosts.root, timeout=60)

    def state(self) -> db.State:
        return db.open_for_reading(str(self.hosts.home / "state.db"))

    def rows(self) -> list[dict[str, Any]]:
        with self.state() as state:
            return views.runs(state, limit=None)

    def has_ended(self, run: str) -> bool:
        return any(row["id"] == run and row["finishedAt"] for row in self.rows())

    def settle(self) -> None:
        """Passes, until control is done with every run."""
        for _ in range(PASSES):
            self.hosts.xene("reconcile")
            with self.state() as state:
                if all(run.archived or not run.ended for run in runs.unsettled(state.conn)):
                    return
        raise AssertionError(f"something is left to do after {PASSES} passes")

    def check(self) -> None:
        """Every run that there is ran once, and all of its log is there."""
        ids = [row["id"] for row in self.rows()]
        assert sorted(self.ran.read_text().split()) == sorted(ids)
        with self.state() as state:
            directory = self.hosts.home / "logs" / state.uuid
        for row in self.rows():
            assert row["log"] == "complete", row
            log = _log(directory, row["id"])
            if row["pipeline"] == "build":
                assert log == LINES
            else:
                assert log.startswith(b"long\n")  # its shell says that it was terminated
        assert not list(directory.glob("*.part"))

    def start(self, pipeline: str) -> str:
        """A run that is under way (`long`), or over (`build`), and not looked at since it was handed over."""
        run = self.hosts.xene("run", f"shop/{pipeline}").out.strip()
        until(lambda: run in self.ran.read_text(), "the run has begun")
        return run


def _log(directory: Path, run: str) -> bytes:
    import zipfile

    with zipfile.ZipFile(directory / f"{run}.zip") as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with fleet(tmp_path_factory.mktemp("killed"), "local", count=2) as hosts:
        made = Shop(hosts)
        yield made
        made.check()


# -- what is killed, and what must hold afterwards


def a_run(shop: Shop, point: str) -> bool:
    """From the fire to the release. Before the fire is stored there is no run, after it there is one."""
    before = len(shop.rows())
    died = shop.dies(point, "run", "shop/build", "--wait")
    shop.settle()
    assert all(row["phase"] == "Success" for row in shop.rows() if row["pipeline"] == "build")
    assert len(shop.rows()) - before in ((0,) if "before commit@control.fire.store" in point else (0, 1))
    shop.check()
    return died


def a_collection(shop: Shop, point: str) -> bool:
    """The log of a run that has ended, on its way into the archive."""
    shop.start("build")
    died = shop.dies(point, "reconcile")
    shop.settle()
    shop.check()
    return died


def an_end(shop: Shop, point: str, verb: str) -> bool:
    """A wish that was stored is carried out, whoever comes next; one that was not can be made again."""
    run = shop.start("long")
    died = shop.dies(point, verb, run)
    with shop.state() as state:
        wished = any(each.wish for each in runs.unsettled(state.conn) if each.id == run)
    if wished:
        until(lambda: shop.hosts.xene("reconcile") and shop.has_ended(run), "the wish is carried out")
    shop.settle()
    row = next(row for row in shop.rows() if row["id"] == run)
    assert row["phase"] == ("Error" if wished or row["finishedAt"] else "Running")
    shop.hosts.xene(verb, run, code=7 if row["phase"] == "Error" else 0)
    row = next(row for row in shop.rows() if row["id"] == run)
    assert row["reason"] == ("Cancelled" if verb == "cancel" else "Killed")
    shop.settle()
    shop.check()
    return died


def a_cancel(shop: Shop, point: str) -> bool:
    return an_end(shop, point, "cancel")


def a_kill(shop: Shop, point: str) -> bool:
    return an_end(shop, point, "kill")


def an_apply(shop: Shop, point: str) -> bool:
    """Both workflows change, or none; and the next apply completes it."""
    shop.change()
    died = shop.dies(point, "apply", str(shop.hosts.repository), "--yes")
    with shop.state() as state:
        versions = {row["spec"]["env"]["VERSION"] for row in views.workflows(state)}
    assert len(versions) == 1 and versions <= {f"v{shop.version - 1}", f"v{shop.version}"}
    shop.hosts.apply()
    with shop.state() as state:
        assert {row["spec"]["env"]["VERSION"] for row in views.workflows(state)} == {f"v{shop.version}"}
        assert all(row["observedRevision"] == row["revision"] for row in views.pipelines(state))
    return died


def a_removal(shop: Shop, point: str) -> bool:
    """An agent goes, or is still there to be removed; declared again it is as new."""
    died = shop.dies(point, "agent", "rm", "host-2")
    shop.hosts.xene("agent", "rm", "host-2", code=None)
    assert shop.hosts.xene("agent", "rm", "host-2", code=4).code == 4
    shop.hosts.apply()
    assert {row["phase"] for row in shop.hosts.get("agents")} == {"Ready"}
    return died


QUICK = [
    (a_run, "before commit@control.fire.store#1"),
    (a_run, "after commit@control.fire.store#1"),
    (a_run, "after commit@control.passes._pass_once#2"),  # it counts as sent, and was not
    (a_run, "after send start@transport.session._send#1"),
    (a_run, "before commit@control.hearing.take#2"),
    (a_run, "after open@control.archive._append#1"),
    (a_run, "before rename@control.archive.pack#1"),
    (a_run, "after rename@control.archive.pack#1"),
    (a_run, "after unlink@control.archive.pack#1"),
    (a_run, "before commit@control.passes._store_packed#1"),
    (a_run, "after commit@control.passes._store_packed#1"),
    (a_run, "before send release@transport.session._send#2"),
    (a_collection, "before open@control.archive.pack#1"),
    (a_cancel, "before commit@control.ending.end#1"),
    (a_cancel, "after commit@control.ending.end#1"),
    (a_kill, "after send cancel@transport.session._send#1"),
    (an_apply, "before commit@control.apply._write#1"),
    (an_apply, "after commit@control.apply._write#1"),
    (an_apply, "after send assign@transport.session._send#1"),
    (a_removal, "after commit@control.agents.remove#1"),
    (a_removal, "after send assign@transport.session._send#1"),
]


@pytest.mark.parametrize(("act", "point"), QUICK, ids=[f"{act.__name__}-{point}" for act, point in QUICK])
def test_killed_where_it_writes(shop: Shop, act: Any, point: str) -> None:
    assert act(shop, point), "the command does not pass this point any more"


@pytest.mark.soak
@pytest.mark.parametrize("act", [a_run, a_collection, a_cancel, a_kill, an_apply, a_removal])
def test_killed_at_every_point(shop: Shop, act: Any) -> None:
    """Which points a command passes varies a little with what comes when: most must be met again."""
    points = _all_points(shop, act)
    died = [act(shop, point) for point in points]
    assert sum(died) > 0.7 * len(points) > 5


def _all_points(shop: Shop, act: Any) -> list[str]:
    if act is a_run:
        return shop.points("run", "shop/build", "--wait")
    if act is a_collection:
        shop.start("build")
        return shop.points("reconcile")
    if act in (a_cancel, a_kill):
        return shop.points("cancel" if act is a_cancel else "kill", shop.start("long"))
    if act is an_apply:
        shop.change()
        return shop.points("apply", str(shop.hosts.repository), "--yes")
    found = shop.points("agent", "rm", "host-2")
    shop.hosts.apply()
    return found
