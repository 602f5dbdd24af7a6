"""Several commands at once, as processes: none is in another's way, and none depends on another's life."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fleet import Done, Fleet, fleet, until
from xene.control import lock

WORKFLOW = """
    apiVersion: xene/v1
    kind: Workflow
    metadata: {{name: {name}}}
    spec:
      env: {{VERSION: "{version}"}}
      pipelines:
        build:
          concurrencyPolicy: Allow
          tasks: {{one: {{steps: [{{name: s, run: "echo $XENE_RUN >> {root}/ran; {script}"}}]}}}}
"""


class Shop:
    def __init__(self, hosts: Fleet) -> None:
        self.hosts, self.gate, self.ran = hosts, hosts.root / "gate", hosts.root / "ran"
        self.ran.touch()
        self.slow = f"echo one; while [ ! -e {self.gate} ]; do sleep 0.02; done; echo two"

    def write(self, name: str, version: int = 1, script: str = "echo $VERSION", folder: str = ".") -> None:
        text = WORKFLOW.format(name=name, version=version, root=self.hosts.root, script=script)
        self.hosts.write(f"{folder}/{name}.yaml", text)

    def holder(self) -> int | None:
        return lock.holder(str(self.hosts.home / "state.db"))

    def runs(self) -> dict[str, dict[str, object]]:
        return {row["id"]: row for row in self.hosts.get("runs", "--limit", "0")}

    def check(self) -> None:
        """Every run ended well, once, and all of its log is there."""
        rows = self.runs()
        assert sorted(self.ran.read_text().split()) == sorted(rows)
        assert {(row["phase"], row["log"]) for row in rows.values()} == {("Success", "complete")}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with fleet(tmp_path, "local", count=1) as hosts:
        made = Shop(hosts)
        yield made
        made.gate.touch()


def end(child: subprocess.Popen[str]) -> Done:
    out, err = child.communicate(timeout=60)
    return Done(child.returncode, out, err)


def stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def test_the_same_source_applied_at_once(shop: Shop) -> None:
    """Both say that it is done, or one says that the state moved; never a mixture."""
    for version in (1, 2, 3):
        for name in ("shop", "shed"):
            shop.write(name, version)
        codes = [end(child).code for child in [shop.hosts.start(*_apply(shop)) for _ in range(3)]]
        assert 0 in codes and set(codes) <= {0, 7}
        versions = {row["spec"]["env"]["VERSION"] for row in shop.hosts.get("workflows")}
        assert versions == {str(version)}
    assert {row["generation"] for row in shop.hosts.get("workflows")} == {3}
    assert all(row["observedRevision"] == row["revision"] for row in shop.hosts.get("pipelines"))


def _apply(shop: Shop, folder: str = ".") -> list[str]:
    return ["apply", str(shop.hosts.repository / folder), "--yes"]


def test_sources_applied_at_once(shop: Shop) -> None:
    shop.hosts.apply()
    for name in ("x", "y", "z"):
        shop.hosts.write(f"{name}/xene.yaml", f"name: {name}\n")
        shop.write(name, folder=name)
    children = [shop.hosts.start(*_apply(shop, name)) for name in ("x", "y", "z")]
    assert [end(child).code for child in children] == [0, 0, 0]
    found = {row["name"]: row["source"] for row in shop.hosts.get("workflows")}
    assert found == {"x": "x", "y": "y", "z": "z"}


def test_ten_runs_at_once(shop: Shop) -> None:
    shop.write("shop")
    shop.hosts.apply()
    children = [shop.hosts.start("run", "shop", "--wait") for _ in range(10)]
    done = [end(child) for child in children]
    assert [each.code for each in done] == [0] * 10, [each.err for each in done]
    assert len({each.out.strip() for each in done}) == 10
    shop.check()


def test_an_apply_under_a_followed_run(shop: Shop) -> None:
    """The run keeps the revision that it began with; the next one has the new one."""
    shop.write("shop", 1, shop.slow + "; echo $VERSION")
    shop.hosts.apply()
    child = shop.hosts.start("run", "shop", "--follow")
    until(lambda: shop.ran.read_text(), "the run runs")
    shop.write("shop", 2, shop.slow + "; echo $VERSION")
    shop.hosts.apply()
    shop.gate.touch()
    followed = end(child)
    assert followed.code == 0
    (old,) = shop.runs()
    assert _said(shop, old) == ["one", "two", "1"]
    new = shop.hosts.xene("run", "shop", "--wait").out.strip()
    assert _said(shop, new) == ["one", "two", "2"]
    shop.check()


def _said(shop: Shop, run: str) -> list[str]:
    """The last word of each line of the log."""
    return [line.split()[-1] for line in shop.hosts.xene("logs", run).out.splitlines()]


def test_the_one_at_work_is_killed_with_the_wishes_of_others_in_its_hands(shop: Shop) -> None:
    shop.write("shop", script=shop.slow)
    shop.hosts.apply()
    children = [shop.hosts.start("run", "shop", "--wait") for _ in range(4)]
    by_pid = {child.pid: child for child in children}
    until(lambda: len(shop.ran.read_text().split()) == 4, "all four run")
    first = until(lambda: shop.holder() if shop.holder() in by_pid else None, "one of them is at work")
    os.kill(first, signal.SIGKILL)
    second = until(lambda: shop.holder() if shop.holder() in set(by_pid) - {first} else None, "another")
    os.kill(second, signal.SIGKILL)
    shop.gate.touch()
    codes = {pid: end(child).code for pid, child in by_pid.items()}
    assert codes.pop(first) == codes.pop(second) == -signal.SIGKILL
    assert list(codes.values()) == [0, 0]
    shop.hosts.xene("reconcile")
    shop.check()


def stand_still(shop: Shop, pid: int) -> bool:
    """Stop a process. One that is caught in the middle of a write (that is another story) goes on."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: stopped(pid), "it is stopped")
    with closing(sqlite3.connect(shop.hosts.home / "state.db", timeout=0, isolation_level=None)) as conn:
        try:
            conn.execute("BEGIN IMMEDIATE")
            conn.execute("ROLLBACK")
            return True
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            return False


def test_the_one_at_work_stands_still_for_a_while(shop: Shop) -> None:
    """Nobody takes its place, since it may go on at any moment; others wait, and are served when it does."""
    shop.write("shop", script=shop.slow)
    shop.hosts.apply()
    child = shop.hosts.start("run", "shop", "--wait")
    until(lambda: shop.ran.read_text() and shop.holder() == child.pid, "it is at work")
    try:
        until(lambda: stand_still(shop, child.pid), "it stands still, and holds up no writer")
        assert shop.hosts.xene("reconcile").code == 0  # somebody is at work: not its business
        other = shop.hosts.start("run", "shop", "--wait")
        until(lambda: len(shop.runs()) == 2, "the other run is stored")
        (first,) = shop.ran.read_text().split()
        shop.hosts.xene("wait", first, "--timeout", "300ms", code=6)
        shop.gate.touch()
    finally:
        os.kill(child.pid, signal.SIGCONT)
    assert [end(child).code, end(other).code] == [0, 0]
    shop.check()
