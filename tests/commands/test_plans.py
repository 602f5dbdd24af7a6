"""Plans as text and as JSON."""

from __future__ import annotations

import json
from typing import Any, Sequence

from xene.commands import plans
from xene.control.apply import Preview
from xene.model.workflow import Placement
from xene.plan import diff
from xene.plan.placement import Candidate, Wanted, place


def thing(name: str, source: str = "demo", **data: Any) -> diff.Thing:
    return diff.Thing("Workflow", name, source, json.dumps(data), lambda: data)


def seen(keeping: Sequence[str] = ()) -> Preview:
    plan = diff.diff(
        [thing("new"), thing("same"), thing("other", a={"b": 1}, c="x"), thing("foreign")],
        [thing("same"), thing("other", a={"b": 2}), thing("gone"), thing("foreign", "else")],
        "demo",
        True,
    )
    anywhere, nowhere = Placement(), Placement(match_labels={"gpu": "yes"})
    decisions = place(
        [Wanted("new", "a", anywhere), Wanted("new", "b", nowhere)], [Candidate(f"h-{n}") for n in range(8)]
    )
    return Preview("demo", plan, decisions, {"new/a": None}, keeping)


def test_text_tells_changes_field_by_field_and_nothing_unchanged() -> None:
    text = plans.text(seen(keeping=["20261123-022900-k7q2m4xa"]), False)
    assert "+ Workflow new\n" in text and "- Workflow gone\n" in text and "same" not in text
    assert '~ Workflow other\n    ~ a.b: 2 -> 1\n    + c: "x"\n' in text
    assert "! Workflow foreign belongs to the source else" in text
    assert "  new/a -> h-0\n" in text
    assert "  new/b not scheduled: NoAgentMatches\n      not h-" in text
    assert "not h-0: LabelsDiffer" in text and "and 3 more: -v shows them" in text
    assert "1 run under way keeps the revision it started with" in text
    assert text.splitlines()[-1].endswith("1 created, 1 changed, 1 removed, 1 unchanged, 1 conflict")


def test_verbose_names_every_agent() -> None:
    text = plans.text(seen(), False, verbose=True)
    assert text.count("LabelsDiffer") == 8 and "-v shows them" not in text


def test_json_has_everything() -> None:
    data = json.loads(json.dumps(plans.as_json(seen())))
    assert [change["action"] for change in data["changes"]] == ["removed", "created", "changed", "unchanged"]
    assert data["changes"][2]["fields"] == [
        {"path": "a.b", "old": 2, "new": 1},
        {"path": "c", "old": None, "new": "x"},
    ]
    assert data["conflicts"] == [{"kind": "Workflow", "name": "foreign", "owner": "else"}]
    assert data["pipelines"][0]["agent"] == "h-0" and len(data["pipelines"][1]["rejections"]) == 8
    assert plans.names(seen().plan) == ["workflow/gone", "workflow/new", "workflow/other"]
