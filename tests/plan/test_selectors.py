"""Selectors against a table."""

from __future__ import annotations

import pytest

from xene.errors import Usage
from xene.model.workflow import Placement, Requirement
from xene.plan import selectors

LABELS = {"os": "linux", "zone": "a", "app.io/tier": "db", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("os=linux", True),
        ("os==linux", True),
        ("os = linux", True),
        ("os=bsd", False),
        ("os!=bsd", True),
        ("os!=linux", False),
        ("gpu!=yes", True),
        ("zone in (a,b)", True),
        ("zone in ( b , c )", False),
        ("zone notin (b,c)", True),
        ("zone notin (a)", False),
        ("gpu notin (a)", True),
        ("os", True),
        ("gpu", False),
        ("!gpu", True),
        ("! gpu", True),
        ("!os", False),
        ("app.io/tier=db", True),
        ("empty=", True),
        ("os=", False),
        ("os=linux,zone in (a,b),!gpu,app.io/tier", True),
        ("os=linux,zone in (b,c),!gpu", False),
        ("in in (x)", False),
    ],
)
def test_parse_and_match(text: str, expected: bool) -> None:
    assert selectors.matches(selectors.parse(text), LABELS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "=a",
        "a=b=c",
        "a in x",
        "a in (x",
        "a in x)",
        "a,",
        ",a",
        "a!b",
        "a=b c",
        "!a=b",
        "a in (x y)",
        "a>1",
        "ä=b",
    ],
)
def test_what_is_no_selector_is_named(text: str) -> None:
    with pytest.raises(Usage) as caught:
        selectors.parse(text)
    assert text in caught.value.message
    assert "a in (x,y)" in caught.value.hint


def test_a_placement_wants_all_of_its_labels_and_expressions() -> None:
    placement = Placement(
        {"os": "linux"}, (Requirement("gpu", "DoesNotExist"), Requirement("zone", "In", ("a", "b")))
    )
    assert selectors.matches_placement(placement, LABELS)
    assert not selectors.matches_placement(placement, {**LABELS, "gpu": "1"})
    assert not selectors.matches_placement(placement, {"os": "linux"})
    assert selectors.matches_placement(Placement(), {})


@pytest.mark.parametrize("text", ["os=bsd", "os!=linux", "zone in (b,c)", "zone notin (a,b)", "gpu", "!os"])
def test_wording_is_what_was_written(text: str) -> None:
    (requirement,) = selectors.parse(text)
    assert selectors.wording(requirement) == text
    assert text in selectors.miss(requirement, LABELS)


def test_a_miss_says_what_is_there() -> None:
    assert selectors.miss(Requirement("os", "In", ("bsd",)), LABELS) == "label os=bsd wanted, has os=linux"
    assert selectors.miss(Requirement("gpu", "Exists"), LABELS) == "label gpu wanted, has no gpu"
