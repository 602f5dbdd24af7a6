"""`xene gc` killed with SIGKILL at every point where it writes: real processes, real files."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.fleet import Fleet, fleet

MANIFEST = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: w}
spec: {pipelines: {p: {tasks: {t: {artifacts: {it: [it]}, steps: [{name: s, run: 'echo hello; echo x > it'}]}}}}}
"""


def rows(made: Fleet) -> dict[str, str]:
    with closing(sqlite3.connect(made.home / "state.db")) as conn:
        assert not conn.execute("PRAGMA foreign_key_check").fetchall()
        return dict(conn.execute("SELECT id, log FROM runs"))


def files(made: Fleet, kind: str) -> set[str]:
    return {path.name.split(".")[0] for path in (made.home / kind).glob("*/*")}


def test_killed_at_every_point(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", 1) as made:
        made.write("w.yaml", MANIFEST)
        made.apply()
        runs = [made.xene("run", "w", "--wait").out.strip() for _ in range(4)]
        made.xene("reconcile")
        with closing(sqlite3.connect(made.home / "state.db")) as conn, conn:
            conn.execute("""UPDATE pipelines SET history = '{"keep": 1}'""")
        assert files(made, "logs") == files(made, "artifacts") == set(runs)
        before = tmp_path / "before"
        shutil.copytree(made.home, before)
        points = [point for point in made.points("gc") if "pruning" in point]
        assert any("remove_files" in point for point in points) and len(points) > 10, points
        assert set(rows(made)) == files(made, "logs") == files(made, "artifacts") == {runs[-1]}
        for point in points:
            shutil.rmtree(made.home)
            shutil.copytree(before, made.home)
            made.dying(point, "--", "gc")
            found = rows(made)
            for kind in ("logs", "artifacts"):
                assert files(made, kind) <= set(found), point
            assert all(log == "gone" or run in files(made, "logs") for run, log in found.items()), point
            made.xene("gc")
            assert rows(made) == {runs[-1]: "complete"}, point
            assert files(made, "logs") == files(made, "artifacts") == {runs[-1]}, point
