"""Mermaid and dot: the whole text of a small workflow, and that no label breaks the syntax."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from xene.plan import drawing

PIPELINES = {
    "build": {
        "tasks": {
            "a": {},
            "b": {"needs": [{"task": "a", "on": "error", "when": 'x == "1"'}], "approval": {}},
        },
        "finally": {"f": {}},
    },
    "scan": {"needs": [{"pipeline": "build", "on": "any"}], "tasks": {"s": {"matrix": {"n": [1, 2]}}}},
}
RUNS = {"build": {"tasks": {"a": {"phase": "Success"}, "b": {"phase": "NotExecuted"}}}}
MERMAID = """\
flowchart TD
  subgraph p0["build"]
    p0t0["a"]:::Success
    p0t1["b<br/>approval"]:::NotExecuted
    p0t0 -->|"on error when x #61;#61; #34;1#34;"| p0t1
    subgraph p0f["finally"]
      p0f0["f"]
    end
  end
  subgraph p1["scan"]
    p1t0["s ×2"]
  end
  p0 -->|"on any"| p1
  classDef Success fill:#d3f4d8,stroke:#1a7f37,color:#1f2328
  classDef NotExecuted fill:#f3f3f3,stroke:#8c959f,color:#1f2328
"""
DOT = """\
digraph "shop" {
  compound=true
  node [shape=box style="rounded,filled" fillcolor=white]
  subgraph cluster_p0 {
    label="build"
    p0t0 [label="a" fillcolor="#d3f4d8" color="#1a7f37"]
    p0t1 [label="b\\napproval" fillcolor="#f3f3f3" color="#8c959f"]
    p0t0 -> p0t1 [label="on error when x == \\"1\\""]
    subgraph cluster_p0f {
      label="finally"
      p0f0 [label="f"]
    }
  }
  subgraph cluster_p1 {
    label="scan"
    p1t0 [label="s ×2"]
  }
  p0t0 -> p1t0 [ltail=cluster_p0 lhead=cluster_p1 label="on any"]
}
"""


def test_mermaid() -> None:
    assert drawing.mermaid(PIPELINES, RUNS) == MERMAID


def test_dot() -> None:
    assert drawing.dot("shop", PIPELINES, RUNS) == DOT


@given(st.text(max_size=30))
def test_no_label_breaks_the_syntax(text: str) -> None:
    pipelines = {"p": {"tasks": {"a": {"when": text}, "b": {"needs": [{"task": "a", "when": text}]}}}}
    mermaid = drawing.mermaid(pipelines, {}).splitlines()
    assert len(mermaid) == 6
    assert re.fullmatch(r'    p0t0\["a<br/>when[^"<>]*"\]', mermaid[2])
    assert re.fullmatch(r'    p0t0 -->\|"[^"|]*"\| p0t1', mermaid[4])
    dot = drawing.dot(text, pipelines, {}).splitlines()
    assert all(re.fullmatch(r'(?:[^"\\]|"(?:[^"\\]|\\.)*")*', line) for line in dot)
