"""suspend, resume, cordon, uncordon and drain as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.terminal import Terminal

AGENTS = """\
apiVersion: xene/v1
kind: Agent
metadata: {name: NAME}
spec: {local: {}, home: ROOT/NAME, capacity: 1, autostart: none}
"""
SHOP = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    build: {tasks: {one: {steps: [{name: s, run: "true"}]}}}
    pinned: {placement: {agent: a}, tasks: {one: {steps: [{name: s, run: "true"}]}}}
"""


@pytest.fixture(scope="module")
def shop(control_host: Terminal) -> Terminal:
    root = Path(control_host.cwd)
    for name in "ab":
        text = AGENTS.replace("NAME", name).replace("ROOT", str(root.parent))
        (root / f"{name}.yaml").write_text(text)
    (root / "shop.yaml").write_text(SHOP)
    (root / "xene.yaml").write_text("name: tests\n")
    control_host("apply", ".", code=0)
    return control_host


def test_suspend_and_resume(shop: Terminal) -> None:
    assert shop("suspend", "shop", code=0).out == "workflow shop is suspended\n"
    assert shop("suspend", "shop", code=0).out == "workflow shop is suspended already\n"
    assert shop("resume", "build", "-o", "name", code=0).out == "pipeline/shop/build\n"
    rows = {row["name"]: row["suspended"] for row in shop("get", "pipelines", "-o", "json", code=0).json}
    assert rows == {"build": False, "pinned": True}
    assert "Scheduled,Suspended" in shop("get", "pipelines", code=0).out
    assert "yes" in shop("describe", "workflow", "shop", code=0).out
    shown = shop("diff", ".", code=0)  # it is no difference
    assert "Workflow shop is suspended by 'xene suspend'; the manifest says suspend: false" in shown.out
    assert "Pipeline shop/build is resumed by 'xene resume'; the manifest says suspend: false" in shown.out
    told = {word["name"]: (word["field"], word["value"], word["manifest"]) for word in
            shop("diff", ".", "-o", "json", code=0).json["overrides"]}  # fmt: skip
    assert told == {"shop": ("suspended", True, False), "shop/build": ("suspended", False, False)}
    shop("apply", ".", code=0)
    assert shop("get", "workflow", "shop", "-o", "json", code=0).json["suspended"]
    assert shop("resume", "shop", "-o", "json", code=0).json["suspended"] is False
    assert shop("resume", "shop", code=0).out == "workflow shop is not suspended\n"
    assert shop("diff", ".", "-o", "json", code=0).json["overrides"] == []
    assert "did you mean" in shop("suspend", "shpo", code=4).err


def test_cordon_drain_and_uncordon(shop: Terminal) -> None:
    assert shop("cordon", "b", code=0).out == "agent b is cordoned\n"
    assert shop("cordon", "b", code=0).out == "agent b is cordoned already\n"
    assert "Ready,Cordoned" in shop("get", "agents", code=0).out
    assert "cordoned: it keeps" in shop("why", "agent/b", code=0).out
    assert (
        "Agent b is cordoned by 'xene cordon'; the manifest says cordon: false"
        in shop("diff", ".", code=0).out
    )
    assert shop("uncordon", "b", code=0).out == "agent b is uncordoned\n"
    assert shop("uncordon", "b", code=0).out == "agent b is not cordoned\n"
    asked = shop("drain", "a", code=5)
    assert "agent a keeps 1 pipeline that no other agent can take: shop/pinned" in asked.err
    assert "xene why pipeline/shop/pinned" in asked.err
    assert shop("get", "pipeline", "shop/build", "-o", "json", code=0).json["agent"] == "b"
    assert "Ready,Draining" in shop("get", "agents", code=0).out
    assert "drained: it gives away" in shop("why", "agent/a", code=0).out
    assert "Agent a is drained by 'xene drain'\n" in shop("diff", ".", code=0).out
    assert shop("uncordon", "a", "-o", "json", code=0).json["drained"] is False
    assert shop("drain", "b", "--timeout", "1m", code=0).out == "agent b is drained\n"
    assert "Ready,Drained" in shop("get", "agents", code=0).out
    assert shop("get", "pipeline", "shop/build", "-o", "json", code=0).json["agent"] == "a"
    shop("uncordon", "b", code=0)
    assert "did you mean 'a'?" in shop("cordon", "aa", code=4).err
    assert shop("drain", "a", "--timeout", "soon", code=2).err
