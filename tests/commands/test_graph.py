"""`graph` and `timeline` over a real state and from files: names, forms, colours, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.terminal import ROOT, Terminal, on_a_terminal
from xene.model import codec
from xene.store import db, fires, objects, runs

STEPS = [{"name": "s", "run": "true"}]
SHOP: dict[str, Any] = {
    "apiVersion": "xene/v1",
    "kind": "Workflow",
    "metadata": {"name": "shop"},
    "spec": {
        "pipelines": {
            "build": {
                "tasks": {
                    "fetch": {"steps": STEPS},
                    "ship": {"needs": ["fetch", {"task": "fetch", "on": "error"}], "steps": STEPS},
                },
                "finally": {"report": {"steps": STEPS}},
            },
            "scan": {"needs": [{"pipeline": "build"}], "tasks": {"look": {"steps": STEPS}}},
        }
    },
}
RUN = "20261123-023000-aaaaaaaa"


@pytest.fixture
def shop(xene: Terminal) -> Terminal:
    """A terminal whose state has a workflow and one run."""
    xene.home.mkdir(mode=0o700)
    with db.open_state(str(xene.home / "state.db")) as opened, opened.transaction() as conn:
        objects.put(
            conn, 1.0, "Workflow", "shop", source="test", labels={}, revision=codec.digest(SHOP),
            text=json.dumps(SHOP),
        )  # fmt: skip
        spec = codec.executable_spec(SHOP, "build")
        revision = objects.put_revision(conn, 1.0, spec)
        fires.create(conn, 2.0, "fire", "shop", "manual", {})
        runs.create(
            conn, 2.0, RUN, fire="fire", workflow="shop", pipeline="build", revision=revision, spec=spec,
            agent="local", trigger="manual", params={},
        )  # fmt: skip
        runs.end(conn, 9.0, RUN, "AgentLost", "gone", log="gone")
    return xene


def test_a_workflow_is_drawn_with_its_newest_run(shop: Terminal) -> None:
    out = shop("graph", "shop", code=0).out
    assert "\x1b" not in out
    assert "on error" in out and "finally:" in out and "shop/scan\n" in out
    assert f"shop/build  ✗ Error: AgentLost: gone  {RUN}\n" in out
    assert out.startswith("┌─────────┐\n│ ✗ build │\n")


@pytest.mark.parametrize("name", ["shop/scan", "scan"])
def test_one_pipeline(shop: Terminal, name: str) -> None:
    assert shop("graph", name, code=0).out == "shop/scan\n┌──────┐\n│ look │\n└──────┘\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["shp"], 4, "did you mean 'shop'?"),
        (["shop/biuld"], 4, "shop/build"),
        (["shop", "--as", "dott"], 2, "did you mean 'dot'?"),
        (["nowhere.yaml"], 4, "no such file"),
        (["shop", "-o", "json"], 2, "-o"),
    ],
)
def test_what_is_not_there(shop: Terminal, words: list[str], code: int, said: str) -> None:
    ended = shop("graph", *words, code=code)
    assert said in ended.err and not ended.out


def test_files(xene: Terminal) -> None:
    path = str(ROOT / "examples/workflows/hello.yaml")
    assert xene("graph", path, code=0).out.startswith("hello/greet\n┌")
    assert xene("graph", f"{path}:greet", code=0).out == xene("graph", path).out
    assert "did you mean 'greet'?" in xene("graph", f"{path}:gret", code=4).err
    assert not xene.home.exists()


def test_a_file_with_a_problem_is_not_drawn(xene: Terminal) -> None:
    (xene.cwd / "bad.yaml").write_text("apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: x}\nspec: {}\n")
    ended = xene("graph", "bad.yaml", code=3)
    assert "bad.yaml:4:" in ended.err and not ended.out


def test_other_languages(shop: Terminal) -> None:
    assert shop("graph", "shop", "--as", "mermaid", code=0).out.startswith("flowchart TD\n")
    assert shop("graph", "shop/build", "--as", "dot", code=0).out.startswith('digraph "shop" {\n')


def test_plain_ascii_where_boxes_cannot_be_encoded(shop: Terminal) -> None:
    out = shop("graph", "shop/scan", code=0, PYTHONIOENCODING="ascii").out
    assert out == "shop/scan\n+------+\n| look |\n+------+\n"


def test_the_width_is_kept(shop: Terminal) -> None:
    out = shop("graph", "shop", code=0, COLUMNS="16").out
    drawn = [line for line in out.splitlines() if not line.startswith("shop/")]
    assert max(map(len, drawn)) <= 16


def test_colours_on_a_terminal_only(shop: Terminal) -> None:
    for words, colored in ((["graph", "shop/build"], True), (["graph", "shop/build", "--no-color"], False)):
        code, text = on_a_terminal(shop.command(*words), shop.environment())
        assert code == 0 and ("\x1b[" in text) == colored and "fetch" in text


def test_a_timeline(shop: Terminal) -> None:
    out = shop("timeline", "shop/build", code=0).out
    assert out.startswith("shop/build  ✗ Error") and "· fetch  AgentLost\n" in out
    assert shop("timeline", RUN, "-o", "json", code=0).json == []
    assert "has not run yet" in shop("timeline", "shop/scan", code=4).err


def test_a_timeline_of_work(xene: Terminal, tmp_path: Path) -> None:
    (tmp_path / "cwd" / "w.yaml").write_text(
        json.dumps({**SHOP, "spec": {"pipelines": {"p": {"tasks": {"t": {"steps": STEPS}}}}}})
    )
    xene("apply", "w.yaml", code=0)
    xene("run", "shop", "--wait", code=0)
    (row,) = xene("timeline", "shop/p", "-o", "json", code=0).json
    assert (row["task"], row["attempt"], row["phase"]) == ("t", 1, "Success")
    assert row["startedAt"] <= row["finishedAt"]
    text = xene("timeline", "shop/p", code=0).out
    assert "✓ t" in text and "█" in text
    assert "│ ✓ t │" in xene("graph", "shop", code=0).out


def test_the_page_shows_what_is_drawn(xene: Terminal) -> None:
    page = (ROOT / "docs/pictures.md").read_text()
    drawn = xene("graph", str(ROOT / "examples/workflows/ci-build.yaml"), code=0).out
    assert f"$ xene graph examples/workflows/ci-build.yaml\n{drawn}```" in page
