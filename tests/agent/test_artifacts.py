"""Artifacts in runs on a real daemon: collected, laid, fetched by offset, stowed piece by piece."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.probe import STATE, Probe, ok, probing
from xene.agent import tarballs
from xene.agent.artifacts import carry_out
from xene.model import ids
from xene.wire import frames, messages

SCRIPT = "mkdir -p src; head -c 3000000 /dev/zero > src/big; echo n > a.txt; cp a.txt b.md"
MAKE = {
    "tasks": {
        "make": {
            "artifacts": {"source": "src/**", "notes": ["*.txt", "*.md"]},
            "steps": [{"name": "s", "run": SCRIPT}],
        }
    }
}  # fmt: skip


def step(run: str) -> list[dict[str, Any]]:
    return [{"name": "s", "run": run}]


def announced(probe: Probe, run: str) -> dict[str, dict[str, Any]]:
    probe.ended(run)
    ends = [e for e in probe.events if e["type"] == "task.ended" and e["run"] == run]
    return {each["name"]: each for end in ends for each in end["artifacts"]}


def incoming(home: str) -> Path:
    return Path(home, STATE, "probe", "incoming")


class Taker:
    """What `fetch` brings over one probe."""

    def __init__(self, probe: Probe) -> None:
        self.probe, self.data, self.number = probe, bytearray(), 40

    def fetch(self, run: str, task: str, name: str, offset: int = 0) -> dict[str, Any]:
        """All of it; the message that ended it."""
        self.number += 1
        self.data = bytearray()
        self.probe.say(messages.fetch(self.probe.epoch, self.number, run, task, name, offset))
        while True:
            data = self.probe.channel.recv(65536)
            assert data
            for message, blob in self.probe._decoder.feed(data):
                if message["type"] == "artifact":
                    assert message["id"] == self.number and message["offset"] == offset + len(self.data)
                    self.data += blob
                elif message["type"] in ("fetched", "failed") and message["id"] == self.number:
                    return message


def test_collected_and_fetched_from_any_offset(probe: Probe) -> None:
    run = probe.start(MAKE)
    made = announced(probe, run)
    assert (made["source"]["files"], made["notes"]["files"]) == (1, 2)
    logs = probe.read_logs(run)
    assert logs["make", "xene-collect"].decode().splitlines() == [
        "collected source: 1 file, 2.9Mi",
        "collected notes: 2 files, 3.0Ki",
    ]
    taker = Taker(probe)
    assert taker.fetch(run, "make", "source")["size"] == made["source"]["size"] == len(taker.data)
    assert hashlib.sha256(taker.data).hexdigest() == made["source"]["sha256"]
    whole = bytes(taker.data)
    assert taker.fetch(run, "make", "source", 2_000_000)["type"] == "fetched"
    assert whole[2_000_000:] == taker.data


@pytest.mark.parametrize(
    ("run", "task", "name"), [(None, "make", "nope"), (None, "../..", "source"), ("nope", "make", "source")]
)
def test_what_is_not_there_is_not_fetched(probe: Probe, run: str | None, task: str, name: str) -> None:
    made = probe.start(MAKE)
    announced(probe, made)
    assert Taker(probe).fetch(run or made, task, name)["type"] == "failed"


def test_a_file_that_a_step_took_away_is_said(probe: Probe, home: str) -> None:
    run = probe.start(MAKE)
    announced(probe, run)
    for path in Path(home, STATE, "probe", "runs", run, "artifacts").iterdir():
        path.unlink()
        os.mkfifo(path)
    answer = Taker(probe).fetch(run, "make", "source")
    assert answer["type"] == "failed" and "cannot be read" in answer["message"]


def test_laid_anew_before_a_task_that_names_it(probe: Probe) -> None:
    use = "cat out/a; test ! -e out/left; echo changed > out/a"
    tasks = {
        "make": {"artifacts": {"it": "out"}, "steps": step("mkdir out; echo first > out/a")},
        "one": {"needs": [{"task": "make", "artifacts": ["it"]}], "steps": step(use)},
        "two": {"needs": ["one", {"task": "make", "artifacts": ["it"]}], "steps": step(use)},
    }
    run = probe.start({"tasks": tasks})
    assert all(ok(task) for task in probe.tasks(run).values())
    logs = probe.read_logs(run)
    assert logs["one", "s"] == logs["two", "s"] == b"first\n"
    assert logs["two", "xene-lay"] == b"laid it: 1 file, 2.5Ki\n"


@pytest.mark.parametrize(
    ("globs", "script", "reason", "word"),
    [
        ("nope", "true", "ArtifactMissing", "the glob 'nope' matches nothing"),
        ("*", "ln -s /etc/passwd bad", "ArtifactInvalid", "bad is a link that leads out"),
        ("*", "mkfifo pipe", "ArtifactInvalid", "pipe is neither a file"),
        ("*", "touch f; chmod 000 f", "", ""),
    ],
)
def test_what_cannot_be_collected_fails_the_task(
    probe: Probe, globs: str, script: str, reason: str, word: str
) -> None:
    if not reason and os.geteuid() == 0:
        reason = "Success"  # nothing is closed to root
    run = probe.start({"tasks": {"t": {"artifacts": {"it": globs}, "steps": step(script)}}})
    (task,) = probe.tasks(run).values()
    if reason == "Success":
        assert ok(task)
    else:
        assert task["phase"] == "Error" and task["reason"] == (reason or "ArtifactInvalid")
        assert task["message"].startswith("artifact it: ") and word in task["message"]


def test_an_artifact_that_was_tampered_with_is_not_laid(probe: Probe) -> None:
    tasks = {
        "make": {"artifacts": {"it": "a"}, "steps": step("echo a > a")},
        "harm": {"needs": ["make"], "steps": step('for f in "$XENE_ARTIFACTS"/*; do echo x >> "$f"; done')},
        "use": {"needs": ["harm", {"task": "make", "artifacts": ["it"]}], "steps": step("true")},
    }
    run = probe.start({"tasks": tasks})
    task = probe.tasks(run)["use"]
    assert task["reason"] == "ArtifactInvalid" and "sha256 differs" in task["message"]


# -- artifacts of other runs


def tar_of(tmp_path: Path, size: int = 2_500_000) -> tuple[bytes, dict[str, Any]]:
    root = tmp_path / "made"
    root.mkdir()
    (root / "given").write_bytes(os.urandom(size))
    packed = tarballs.pack(str(root), ["**"], str(tmp_path / "made.tar"))
    data = (tmp_path / "made.tar").read_bytes()
    return data, {"name": "parts", "sha256": packed.sha256, "size": packed.size}


class Giver:
    """`stow` over one probe."""

    def __init__(self, probe: Probe, run: str, artifact: dict[str, Any]) -> None:
        self.probe, self.run, self.artifact = probe, run, artifact

    def stow(self, offset: int = 0, data: bytes = b"", lie: dict[str, Any] | None = None) -> dict[str, Any]:
        size = self.artifact["size"]
        said = messages.stow(self.probe.epoch, 9, self.run, self.artifact["sha256"], size, offset)
        said |= lie or {}
        self.probe.channel.send(frames.encode(said, data))
        kinds = ("stowed", "failed", "refused")
        found = self.probe.wait(lambda: [each for each in self.probe.others if each["type"] in kinds])
        self.probe.others.clear()
        return dict(found[-1])

    def all(self, data: bytes, piece: int = 1_000_000) -> int:
        have = self.stow()["have"]
        while have < len(data):
            have = self.stow(have, data[have : have + piece])["have"]
        return int(have)


def new_run() -> str:
    return ids.run_id(time.time(), os.urandom(8))


def test_stowed_by_pieces_laid_before_all_and_removed_when_nobody_needs_it(
    probe: Probe, home: str, tmp_path: Path
) -> None:
    data, artifact = tar_of(tmp_path)
    run = new_run()
    giver = Giver(probe, run, artifact)
    assert giver.all(data) == len(data)
    kept = incoming(home) / artifact["sha256"]
    assert kept.read_bytes() == data and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert giver.stow()["have"] == len(data)  # asked again: it is here
    tasks = {"use": {"steps": step("wc -c < given")}}
    assert probe.start({"tasks": tasks}, id=run, artifacts=(artifact,)) == run
    assert all(ok(task) for task in probe.tasks(run).values())
    logs = probe.read_logs(run)
    assert logs["use", "s"].strip() == b"2500000"
    assert logs["xene-artifacts", "xene-lay"] == b"laid parts: 1 file, 2.4Mi\n"
    other = new_run()
    Giver(probe, other, artifact).stow()  # another one will want it too
    probe.say(messages.release(probe.epoch, [run], [run]))
    probe.wait(lambda: any(e["type"] == "run.released" for e in probe.events))
    assert kept.exists()
    probe.start({"tasks": tasks}, id=other, artifacts=(artifact,))
    probe.ended(other)
    probe.say(messages.release(probe.epoch, [other], [other]))
    probe.wait(lambda: sum(e["type"] == "run.released" for e in probe.events) == 2)
    assert not kept.exists()


def test_a_cut_connection_goes_on_where_it_was(probe: Probe, home: str, tmp_path: Path) -> None:
    data, artifact = tar_of(tmp_path)
    run = new_run()
    assert Giver(probe, run, artifact).stow(0, data[:1_000_000])["have"] == 1_000_000
    probe.close()
    again = Probe(home)
    try:
        giver = Giver(again, run, artifact)
        assert giver.stow()["have"] == 1_000_000
        assert giver.stow(500_000, data[500_000:600_000])["have"] == 1_000_000  # it does not follow
        assert giver.all(data) == len(data)
    finally:
        again.close()


def test_other_bytes_than_the_sha256_says_are_never_complete(probe: Probe, home: str, tmp_path: Path) -> None:
    data, artifact = tar_of(tmp_path, 1000)
    giver = Giver(probe, new_run(), artifact)
    assert giver.stow(0, data[:-1] + b"x")["have"] == 0
    assert list(incoming(home).iterdir()) == []
    assert giver.stow(0, data + b"more")["have"] == 0  # longer than it said
    assert giver.all(data) == len(data)


@pytest.mark.parametrize(
    "lie",
    [
        {"sha256": "../../daemon.pid"}, {"sha256": "0" * 63}, {"sha256": None}, {"run": "../x"}, {"size": 0},
        {"size": 2**60}, {"size": True}, {"size": "1"}, {"offset": -1}, {"offset": None}, {"id": "x"}, {"id": None},
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_writes_nothing(probe: Probe, home: str, tmp_path: Path, lie: Any) -> None:
    data, artifact = tar_of(tmp_path, 1000)
    assert Giver(probe, new_run(), artifact).stow(0, data, lie)["type"] == "failed"
    assert not incoming(home).exists() or list(incoming(home).iterdir()) == []


def test_a_reader_gets_logs_and_no_artifacts(probe: Probe, home: str, tmp_path: Path) -> None:
    data, artifact = tar_of(tmp_path, 1000)
    reader = Probe(home, role="reader")
    try:
        assert Giver(reader, new_run(), artifact).stow(0, data)["type"] == "refused"
    finally:
        reader.close()


def test_a_run_whose_artifacts_never_came_fails_before_it_begins(probe: Probe, tmp_path: Path) -> None:
    _, artifact = tar_of(tmp_path, 1000)
    run = probe.start({"tasks": {"t": {"steps": step("true")}}}, artifacts=(artifact,))
    tasks = probe.tasks(run)
    assert tasks["t"]["reason"] == "Omitted"
    ends = [e for e in probe.events if e["type"] == "task.ended" and e["task"] == "xene-artifacts"]
    assert ends[0]["reason"] == "ArtifactMissing"


def test_collecting_survives_a_killed_daemon(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(MAKE)
        probe.wait(
            lambda: any(e["type"] == "step.started" and e["step"] == "xene-collect" for e in probe.events)
        )
        os.kill(probe.daemon_pid(), 9)
        probe.close()
        with probing(home) as again:
            again.orders = probe.orders
            assert set(announced(again, run)) == {"source", "notes"}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB. Where none can be mounted, the test cannot be made."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "xene-test", str(disk)]
    mounted = subprocess.run(mount, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a full disk wants a mount of its own: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_a_clean_error(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (small / "big").write_bytes(b"x" * 700_000)
    job = {
        "collect": [{"name": "it", "task": "t", "globs": ["big"], "path": str(small / "t.it.tar")}],
        "workspace": str(small),
        "result": str(small / "result"),
    }
    (small / "job").write_text(json.dumps(job))
    assert carry_out(str(small / "job")) == 1
    assert json.loads((small / "result").read_text()) == {
        "reason": "ArtifactInvalid",
        "message": "artifact it: no space is left for it (No space left on device)",
    }
    assert sorted(path.name for path in small.iterdir()) == ["big", "job", "result"]  # nothing half written
    assert "no space is left" in capfd.readouterr().err
