"""`xene backup` and the way back, as `docs/backup.md` tells it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.commands.terminal import ROOT, Terminal

MANIFEST = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: w}
spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: echo hello}]}}}}}
"""


def shown() -> list[str]:
    """The command lines of the page."""
    page = (ROOT / "docs" / "backup.md").read_text()
    return "".join(re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)).splitlines()


def test_the_page_is_walked_through(tmp_path: Path, xene: Terminal) -> None:
    """Its own lines, in a shell, with `~` in the test's directory."""
    user = tmp_path / "user"
    home = user / ".local" / "state" / "xene"
    (user / "backups").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "xene"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m xene "$@"\n')
    program.chmod(0o755)
    here = Terminal(home, xene.cwd, {"HOME": str(user)})
    env = here.environment(PATH=f"{tmp_path}/bin:/usr/bin:/bin")

    def shell(line: str) -> str:
        done = subprocess.run(["sh", "-ec", line], env=env, cwd=xene.cwd, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    (xene.cwd / "w.yaml").write_text(MANIFEST)
    here("apply", "w.yaml", code=0)
    before = here("run", "w", "--wait", code=0).out.strip()
    backup, daily, *restore = shown()
    assert "1 run" in shell(backup)
    shell(daily)
    copy = str(user / "backups" / "xene.db")
    assert before in here("get", "runs", "--state", copy, code=0).out
    after = here("run", "w", "--wait", code=0).out.strip()
    assert [line.split()[0] for line in restore] == ["rm", "cp", "xene"]
    for line in restore:
        shell(line)
    found = here("get", "runs", "-o", "json", code=0).json
    assert [run["id"] for run in found] == [before]
    assert "hello" in here("logs", before, code=0).out
    assert here("get", "agents", "-o", "json", code=0).json[0]["phase"] == "Ready"
    again = here("run", "w", "--wait", code=0).out.strip()
    assert again not in (before, after)


def test_exits_and_forms(xene: Terminal) -> None:
    assert "there is no state" in xene("backup", "copy.db", code=4).err
    (xene.cwd / "w.yaml").write_text(MANIFEST)
    xene("apply", "w.yaml", code=0)
    made = xene("backup", "copy.db", "-o", "json", code=0)
    assert made.json["path"] == str(xene.cwd / "copy.db") and made.json["runs"] == 0
    assert "docs/backup.md" in made.err and "logs" in made.err
    refused = xene("backup", "copy.db", code=7)
    assert "exists already" in refused.err and "--force" in refused.err
    assert xene("backup", "copy.db", "--force", "-q", code=0).err == ""
    assert "cannot be opened" in xene("backup", "no/copy.db", code=74).err
