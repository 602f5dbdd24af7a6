"""The control host's disk is full, or its state is held by another writer: told (74), nothing half written."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fleet import Done, Fleet, fleet
from xene.control.archive import ENDS
from xene.store import db, runs

WORKFLOW = """
    apiVersion: xene/v1
    kind: Workflow
    metadata: {name: shop}
    spec: {pipelines: {build: {tasks: {one: {steps: [{name: s, run: "echo $XENE_RUN >> RAN"}]}}}}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, "local", count=1) as hosts:
        hosts.write("shop.yaml", WORKFLOW.replace("RAN", str(tmp_path / "ran")))
        yield hosts


def works_again(shop: Fleet, ran: int) -> None:
    """Everything that was accepted has run, once; a new run does."""
    row = shop.xene("run", "shop", "--wait", "-o", "json").json[0]
    assert (row["phase"], row["log"]) == ("Success", "complete")
    shop.xene("reconcile")
    ids = [row["id"] for row in shop.get("runs")]
    assert len(ids) == ran + 1
    assert sorted((shop.root / "ran").read_text().split()) == sorted(ids)
    with db.open_for_reading(str(shop.home / "state.db")) as state:
        assert state.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert [run for run in runs.unsettled(state.conn) if not run.archived] == []


@contextmanager
def small_disk(path: Path) -> Iterator[bool]:
    """A file system of four megabytes; False where this user may not mount one."""
    path.mkdir(mode=0o700)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "none", str(path)], capture_output=True
    )
    try:
        yield made.returncode == 0
    finally:
        if made.returncode == 0:
            subprocess.run(["umount", "-l", str(path)], check=True)


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass


def test_a_full_disk(tmp_path: Path, shop: Fleet) -> None:
    """A tmpfs that is full; where none can be mounted, files that may not grow."""
    with small_disk(shop.home) as mounted:
        shop.apply()
        if mounted:
            fill(shop.home / "ballast")
            refused = shop.xene("run", "shop", code=74)
        else:
            refused = finish(shop.start("run", "shop", preexec_fn=limited(4096)))
        assert refused.code == 74 and "space" in refused.err, refused.err
        if mounted:
            os.unlink(shop.home / "ballast")
        assert shop.get("runs") == []
        works_again(shop, 0)


def finish(child: subprocess.Popen[str]) -> Done:
    out, err = child.communicate(timeout=60)
    return Done(child.returncode, out, err)


def test_a_disk_that_fills_up_under_the_log(tmp_path: Path, shop: Fleet) -> None:
    """The run has ended, its log does not fit: it stays on the agent until it does."""
    big = "{name: b, run: 'head -c 6000000 /dev/urandom'}"
    shop.write("big.yaml", WORKFLOW.replace("RAN", os.devnull).replace("shop", "big").replace(
        '"echo $XENE_RUN >> ' + os.devnull + '"}', f"'true'}}, {big}"))  # fmt: skip
    with small_disk(shop.home / "logs" if shop.home.exists() else _logs(shop)) as mounted:
        shop.apply()
        if mounted:
            done = shop.xene("run", "big", "--wait", code=74)
        else:
            done = finish(shop.start("run", "big", "--wait", preexec_fn=limited(2_000_000)))
        assert done.code == 74 and "space" in done.err, done.err
        (row,) = shop.get("runs")
        assert (row["phase"], row["log"]) == ("Success", "partial")
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=20m", str(shop.home / "logs")], check=True)
        shop.xene("reconcile")
        (row,) = shop.get("runs")
        assert row["log"] == "complete"
        assert len(finish_bytes(shop, row["id"])) == 6_000_000


def _logs(shop: Fleet) -> Path:
    shop.home.mkdir(mode=0o700)
    return shop.home / "logs"


def finish_bytes(shop: Fleet, run: str) -> bytes:
    import zipfile

    (path,) = shop.home.glob(f"logs/*/{run}.zip")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.startswith(ENDS)]
        return b"".join(archive.read(name) for name in names if ".b." in name)


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield conn
    finally:
        conn.close()


def test_a_state_that_is_held(shop: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is cut short here; the soak has it in full."""
    from xene.cli import main

    shop.apply()
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.2)
    monkeypatch.setenv("XENE_HOME", str(shop.home))
    with held(shop.home / "state.db"):
        assert main(["run", "shop"]) == 74
        assert main(["get", "runs", "-o", "json"]) == 0  # readers never wait
    works_again(shop, 0)


@pytest.mark.soak
def test_a_state_that_is_held_for_half_a_minute(shop: Fleet, tmp_path: Path) -> None:
    """Who waits longer than it may is told by whom it is held; who comes when it is free finds all as it was."""
    shop.apply()
    with held(shop.home / "state.db"):
        for _ in range(3):  # ten seconds each
            done = shop.xene("run", "shop", code=74)
            assert f"process {os.getpid()} (" in done.err
    works_again(shop, 0)


@pytest.mark.soak
def test_a_state_that_is_held_for_a_moment(shop: Fleet) -> None:
    shop.apply()
    with held(shop.home / "state.db"):
        child = shop.start("run", "shop", "--wait")
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(5)
    assert finish(child).code == 0
    works_again(shop, 1)
