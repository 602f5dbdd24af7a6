"""`xene gc` as users meet it: a table, JSON, and the exit code where an agent is away."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.commands.terminal import Terminal
from tests.fleet import fleet

MANIFEST = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: w}
spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: echo hello}]}}}}}
"""


def old(path: Path) -> Path:
    """A file of a month and a day ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5000)
    os.utime(path, (time.time() - 31 * 86400,) * 2)
    return path


def test_here_and_on_the_host(xene: Terminal, tmp_path: Path) -> None:
    assert xene("gc", code=0).err == "there is nothing to free\n"  # no state yet
    assert not xene.home.exists()
    here = Terminal(xene.home, xene.cwd, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    (here.cwd / "w.yaml").write_text(MANIFEST)
    here("apply", "w.yaml", code=0)
    run = here("run", "w", "--wait", code=0).out.strip()
    assert here("gc", code=0).err == "there is nothing to free\n"
    report = old(here.home / "crashes" / "crash-1.txt")
    code = old(here.home / "local" / "agent" / f"{'a' * 64}.pyz")
    would = here("gc", "--dry-run", code=0)
    lines = [line.split() for line in would.out.splitlines()]
    assert lines[0] == ["WHERE", "WHAT", "COUNT", "BYTES"]
    assert lines[1] == ["control", "crash", "reports", "1", "8.0Ki"]
    assert lines[2] == ["local", "agent", "code", "of", "other", "versions", "1", "8.0Ki"]
    assert would.err == "16Ki would be freed\n"
    assert report.exists() and code.exists()
    found = here("gc", "--dry-run", "-o", "json", code=0).json
    assert found["dryRun"] and found["bytes"] == 16384
    assert found["control"]["what"] == [{"what": "crash reports", "count": 1, "bytes": 8192}]
    assert [(each["agent"], each["bytes"], each["error"]) for each in found["agents"]] == [
        ("local", 8192, None)
    ]
    assert "16Ki freed" in here("gc", code=0).err
    assert not report.exists() and not code.exists()
    assert "hello" in here("logs", run, code=0).out


def test_an_agent_that_is_away_is_named(tmp_path: Path) -> None:
    with fleet(tmp_path, "ssh", 2) as made:
        made.write("w.yaml", MANIFEST)
        made.apply()
        assert made.hosts is not None
        made.hosts[1].stop()
        old(made.hosts[0].home / "agent" / f"{'a' * 64}.pyz")
        ended = made.xene("gc", "-o", "json", code=5)
        assert "agent host-2 could not be asked: " in ended.err
        first, second = ended.json["agents"]
        assert first["what"][0]["count"] == 1 and first["error"] is None
        assert second["what"] == [] and "refused" in second["error"]
