"""What happens to runs when the wire does not hold: every step once, every line of its log, no state that lies.

The wire is cut and made bad in network namespaces (`tests/wire.py`), so that connections are half-open as in life:
nobody is told that the other side has gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import wire
from tests.daemons import daemon
from tests.fleet import Fleet, fleet, until

WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    main:
      tasks:
        work:
          outputs: [lines]
          steps:
            - name: count
              run: |
                echo began >> %(marks)s
                i=0
                while [ ! -e %(enough)s ] || [ $i -lt 300 ]; do
                    i=$((i + 1)); echo "line $i"; sleep 0.01
                done
                echo "lines=$i" >> "$XENE_OUTPUT"
"""
# An impatient control host, so that a lost wire is seen in seconds.
SSH_CONFIG = "Host *\n  ConnectTimeout 2\n  ServerAliveInterval 1\n  ServerAliveCountMax 1\n"


class Story:
    """One run, told step by step: its step goes on until `enough`, and leaves a mark whenever it begins."""

    def __init__(self, made: Fleet) -> None:
        self.fleet = made
        self.marks, self.enough = made.root / "marks", made.root / "enough"
        self.config = made.root / "home" / ".ssh" / "config"
        self.config.parent.mkdir(parents=True, mode=0o700)
        self.config.write_text(SSH_CONFIG)
        self.config.chmod(0o600)
        made.env["HOME"] = str(made.root / "home")
        made.write("shop.yaml", WORKFLOW % {"marks": self.marks, "enough": self.enough})
        made.apply()

    def begin(self) -> None:
        self.follower = self.fleet.start("run", "shop", "--wait", "-o", "json")
        until(self.marks.exists, "the step begins")

    @property
    def run(self) -> dict[str, object]:
        return self.fleet.get("runs")[0]

    def is_unknown(self) -> bool:
        run = self.run
        return run["phase"] == "Unknown" and run["lastKnownPhase"] == "Running" and bool(run["phaseSince"])

    def end(self) -> None:
        """Let it end: right, having run once, its log whole."""
        self.enough.touch()
        out, err = self.follower.communicate(timeout=60)
        assert self.follower.returncode == 0, err
        (run,) = json.loads(out)
        assert (run["phase"], run["log"]) == ("Success", "complete")
        assert self.marks.read_text() == "began\n"
        count = int(run["tasks"]["work"]["outputs"]["lines"])
        log = self.fleet.xene("logs", run["id"], "work/count").out.splitlines()
        assert log == [f"line {number}" for number in range(1, count + 1)]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with fleet(tmp_path, "ssh", 1) as made:
        yield Story(made)


def test_sshd_and_its_connections_killed_and_started_again(story: Story) -> None:
    story.begin()
    assert story.fleet.hosts is not None
    story.fleet.hosts[0].stop()
    until(story.is_unknown, "the run is Unknown")
    agent = story.fleet.get("agents", "host-1")
    assert (agent["phase"], agent["reason"]) == ("Unreachable", "ConnectionRefused")
    why = story.fleet.xene("why", f"run/{story.run['id']}").out
    assert "refused the connection" in why
    story.fleet.hosts[0].start()
    until(lambda: story.run["phase"] == "Running", "the run is seen again")
    story.end()


@pytest.fixture(scope="module")
def line() -> Iterator[wire.Wire]:
    if why := wire.missing():
        pytest.skip(f"NETWORK NAMESPACES with veth are MISSING, so no wire can be cut: {why}")
    with wire.wire() as made:
        yield made


@pytest.fixture
def far(tmp_path: Path, line: wire.Wire) -> Iterator[Story]:
    """A control host and its host with the wire between them."""
    line.mend()
    with fleet(tmp_path, "ssh", 1, within=line.host, address=line.ADDRESS) as made:
        made.within = line.control
        try:
            yield Story(made)
        finally:
            line.mend()


def test_a_wire_that_is_cut_and_mended(far: Story, line: wire.Wire) -> None:
    far.begin()
    line.cut()
    until(far.is_unknown, "the run is Unknown")
    agent = far.fleet.get("agents", "host-1")
    assert (agent["phase"], agent["reason"]) == ("Unreachable", "ConnectTimeout")
    line.mend()
    until(lambda: far.run["phase"] == "Running", "the run is seen again")
    far.end()


def test_a_step_that_ends_while_the_wire_is_cut(far: Story, line: wire.Wire) -> None:
    far.begin()
    line.cut()
    until(far.is_unknown, "the run is Unknown")
    far.enough.touch()
    assert far.run["phase"] == "Unknown"
    line.mend()
    far.end()


def test_a_wire_that_loses_a_third(far: Story, line: wire.Wire) -> None:
    line.worsen(loss=0.1)
    far.begin()
    line.worsen(loss=0.3)
    far.end()


@pytest.mark.soak
def test_a_controller_misses_a_host_within_half_a_minute(far: Story, line: wire.Wire) -> None:
    """With the patience that is the default, and nothing on the way that would end the connection."""
    far.config.write_text("")
    with daemon(far.fleet) as controller:
        controller.says("at work on")
        far.begin()
        since = datetime.now(UTC)
        line.cut()
        until(far.is_unknown, "the run is Unknown")
        late = datetime.fromisoformat(str(far.run["phaseSince"])) - since
        assert late.total_seconds() < 32
        line.mend()
        until(lambda: far.run["phase"] == "Running", "the run is seen again")
        far.end()


@pytest.mark.soak
def test_a_host_three_seconds_away(far: Story, line: wire.Wire) -> None:
    """1.5 s each way: it takes its time, and works, with the patience that is the default."""
    far.config.write_text("")
    line.worsen(delay=1.5)
    far.begin()
    far.end()
