"""`init`, `schema`, `explain`: what needs no state."""

from __future__ import annotations

import json
import os

import pytest

from tests.commands.terminal import Terminal
from xene.commands import init
from xene.manifest import emit


def test_init_lays_out_and_never_overwrites(xene: Terminal) -> None:
    first = xene("init", "shop", code=0)
    assert first.out == "" and "xene apply shop" in first.err
    root = xene.cwd / "shop"
    assert (root / "xene.yaml").read_text().endswith("name: shop\n")
    settings = json.loads((root / ".vscode" / "settings.json").read_text())
    for path in settings["yaml.schemas"]:
        assert json.loads((root / path).read_text())["$schema"].endswith("2020-12/schema")
    hello = root / "workflows" / "hello.yaml"
    hello.write_text("mine")
    (root / ".xeneignore").unlink()
    second = xene("init", "shop", code=0)
    assert hello.read_text() == "mine" and ".xeneignore" in second.err and "hello.yaml" not in second.err
    assert "nothing to do" in xene("init", "shop", code=0).err
    assert sorted(os.listdir(root)) == [".vscode", ".xene", ".xeneignore", "agents", "workflows", "xene.yaml"]


def test_init_here_and_by_name(xene: Terminal) -> None:
    xene("init", "--name", "shop-ops", code=0)
    assert "name: shop-ops" in (xene.cwd / "xene.yaml").read_text()


def test_init_refuses_what_cannot_be(xene: Terminal) -> None:
    (xene.cwd / "file").write_text("")
    assert "not a directory" in xene("init", "file", code=2).err
    assert "cannot name a source" in xene("init", "--name", "No Name", code=2).err


@pytest.mark.parametrize(
    ("text", "name"), [("Shop Ops", "shop-ops"), ("...", "manifests"), ("a" * 80, "a" * 63), ("été", "t")]
)
def test_a_name_from_a_directory(text: str, name: str) -> None:
    assert init.source_name(text) == name


def test_schemas_are_printed_alone(xene: Terminal) -> None:
    for kind in ("Workflow", "agents", "xene"):
        ended = xene("schema", kind, code=0)
        assert ended.json["$schema"].endswith("2020-12/schema") and ended.err == ""


def test_explain(xene: Terminal) -> None:
    text = xene("explain", "workflow.spec.pipelines.placement", code=0).out
    assert "agentSelector" in text and "\x1b" not in text
    data = xene("explain", "workflow.spec.pipelines.placement.size", "-o", "json", code=0).json
    assert data["path"].endswith("size") and data["default"] == 1
    missing = xene("explain", "workflow.spec.pipelins", code=4)
    assert "did you mean 'pipelines'?" in missing.err and missing.out == ""


def test_yaml_reads_back(xene: Terminal) -> None:
    from ruamel.yaml import YAML

    value = {
        "b": ["no", "1.10", "012", "null", "2020-01-01", "a: b", "", True, None, 1.5, {}, []],
        "a": {
            "script": "set -e\necho hi\n",
            "odd": "a \n b",
            "tab": "x\ty\nz",
            "escape": "\x1b[2J",
            "y": "on",
        },
    }
    text = emit.dump(value)
    assert YAML(typ="safe").load(text) == value and list(YAML(typ="safe").load(text)) == ["b", "a"]
    assert "script: |" in text and "\x1b" not in text and "'no'" in text
