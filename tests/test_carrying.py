"""Artifacts end to end, by the same tests over agents on this host and over real sshd hosts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.terminal import ROOT
from tests.fleet import Fleet, fleet
from tests.test_docs import blocks

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    build:
      placement: {agent: host-1}
      tasks:
        make:
          artifacts:
            binary: bin
            notes: ["*.txt", "docs/**"]
          steps:
            - name: s
              run: |
                mkdir -p bin docs
                head -c 3000000 /dev/urandom > bin/tool; chmod 755 bin/tool; ln -s tool bin/alias
                sha256sum < bin/tool > sum.txt; echo read me > docs/readme
        check:
          needs: [{task: make, artifacts: [binary]}]
          steps: [{name: s, run: 'sha256sum < bin/tool | cmp - sum.txt; ls -l bin'}]
        fails:
          artifacts: {it: nothing/here}
          steps: [{name: s, run: "true", continueOnError: true}]
          continueOnError: true
    test:
      placement: {agent: host-2}
      needs: [{pipeline: build, artifacts: [binary, notes]}]
      tasks:
        t: {steps: [{name: s, run: 'sha256sum < bin/alias | cmp - sum.txt; cat docs/readme; test -x bin/tool'}]}
"""


@pytest.fixture(scope="module", params=["local", "ssh", "ssh+controller"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Fleet, str]]:
    """Two agents, and a run of `shop/build`."""
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=2) as made:
        made.write("flow.yaml", FLOW)
        made.apply()
        (run,) = made.xene("run", "shop/build", "--wait", "-o", "json").json
        assert run["phase"] == "Success", run
        assert run["tasks"]["fails"]["reason"] == "ArtifactMissing"
        yield made, run["id"]


def test_listed(built: tuple[Fleet, str]) -> None:
    made, run = built
    rows = made.xene("artifacts", run, "-o", "json").json
    assert [(row["name"], row["task"], row["files"], row["state"]) for row in rows] == [
        ("binary", "make", 2, "kept"),
        ("notes", "make", 2, "kept"),
    ]
    table = made.xene("artifacts", "shop/build").out.splitlines()
    assert table[0].split() == ["NAME", "TASK", "FILES", "SIZE", "STATE", "MESSAGE"]
    assert table[1].split()[:5] == ["binary", "make", "2", "2.9Mi", "kept"]
    for row in rows:
        path = made.home / "artifacts"
        (tar,) = path.rglob(f"{row['sha256']}.tar")
        assert hashlib.sha256(tar.read_bytes()).hexdigest() == row["sha256"]


def test_unpacked(built: tuple[Fleet, str]) -> None:
    made, run = built
    done = made.xene("artifacts", run, "binary")
    assert (made.root / f"{run}-binary/bin/alias").readlink() == Path("tool")
    assert (made.root / f"{run}-binary/bin/tool").stat().st_mode & 0o777 == 0o755
    assert f"{run}-binary" in done.out
    made.xene("artifacts", run, "--to", "all")
    assert (made.root / "all/notes/docs/readme").read_text() == "read me\n"
    made.xene("artifacts", run, "make/notes", "--to", "notes")
    made.xene("artifacts", run, "notes", "--to", "notes")  # again: replaced
    assert (made.root / "notes/docs/readme").exists()
    rows = json.loads(made.xene("artifacts", run, "--to", "all", "-o", "json").out)
    assert rows[0]["directory"] == str(made.root / "all/binary")


def test_errors(built: tuple[Fleet, str]) -> None:
    made, run = built
    assert "did you mean 'binary'?" in made.xene("artifacts", run, "binaries", code=4).err
    made.xene("artifacts", "shop/none", code=4)
    (made.root / "taken").write_text("a file")
    assert "cannot be unpacked" in made.xene("artifacts", run, "notes", "--to", "taken", code=74).err
    assert "--artifacts-from" in made.xene("run", "shop/test", code=2).err


def test_carried_to_another_agent(built: tuple[Fleet, str]) -> None:
    made, run = built
    (second,) = made.xene("run", "shop/test", "--artifacts-from", run, "--wait", "-o", "json").json
    assert second["phase"] == "Success", second
    assert second["agent"] == "host-2"
    assert made.xene("logs", second["id"], "t/s").out == "read me\n"
    (again,) = made.xene("rerun", second["id"], "--wait", "-o", "json").json
    assert again["phase"] == "Success", again


def test_a_whole_fire_takes_them_along(built: tuple[Fleet, str]) -> None:
    made, _ = built
    runs = made.xene("run", "shop", "--wait", "-o", "json").json
    assert [(run["pipeline"], run["phase"]) for run in runs] == [("build", "Success"), ("test", "Success")], (
        runs
    )
    first, second = runs
    assert second["trigger"] == "pipeline" and second["fire"] == first["fire"]
    assert made.xene("logs", second["id"], "t/s").out == "read me\n"


def test_the_page_about_artifacts(tmp_path: Path) -> None:
    """Its manifest and its commands, one after the other, and what it says that they print."""
    page = (ROOT / "docs" / "artifacts.md").read_text()
    manifest, commands, table = [block for block in blocks(page) if block.strip()][:3]
    with fleet(tmp_path, "local", count=0) as made:
        (made.root / "shop.yaml").write_text(manifest)
        said = []
        for line in commands.splitlines():
            words = line.split()[1:]
            said.append(made.xene(*words, *(["--yes"] if words[0] == "apply" else [])).out)
        assert said[2] == table
        assert (made.root / "out/bin/shop").stat().st_mode & 0o777 == 0o755
        assert made.xene("logs", "shop/ship", "install/put").out == "shop 1.0\nshop\n"
        assert made.xene("logs", "shop/build", "smoke/start").out == "shop 1.0\n"


def test_a_file_that_runs_on_the_spot_hands_them_on(tmp_path: Path) -> None:
    (manifest, *_) = [
        block for block in blocks((ROOT / "docs" / "artifacts.md").read_text()) if block.strip()
    ]
    with fleet(tmp_path, "local", count=0) as made:
        (made.root / "shop.yaml").write_text(manifest)
        done = made.xene("run", "shop.yaml", "-o", "json")
        assert [(run["pipeline"], run["phase"]) for run in done.json] == [
            ("build", "Success"),
            ("ship", "Success"),
        ]
        assert "laid binary: 1 file" in done.err
        assert "takes artifacts of build" in made.xene("run", "shop.yaml:ship", code=2).err
