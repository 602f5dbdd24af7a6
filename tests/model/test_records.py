"""Records behave as frozen dataclasses do: the same class made by both is compared."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, Mapping, Optional, Tuple

import pytest

from xene.model import records


def made(module: Any) -> Any:
    @module.dataclass(frozen=True)
    class Thing:
        """A thing."""

        name: str
        size: int = 1
        parts: Tuple[str, ...] = ()
        more: Mapping[str, str] = module.field(default_factory=dict)
        note: Optional[str] = None

    return Thing


@records.dataclass(frozen=True)
class Known:
    name: str
    size: int = 1


BOTH = [made(records), made(dataclasses)]


def test_they_are_made_of_the_same_arguments_and_shown_alike() -> None:
    ours, theirs = [
        [Thing("a"), Thing("a", 2, note="n"), Thing(name="b", parts=("p",), more={"k": "v"})]
        for Thing in BOTH
    ]
    assert list(map(repr, ours)) == list(map(repr, theirs))
    assert list(map(vars, ours)) == list(map(vars, theirs))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("a", 1, (), {}, None, "more"), {}),
        (("a",), {"name": "b"}),
        (("a",), {"none": 1}),
        ((), {"size": 2}),
    ],
)
def test_what_one_refuses_the_other_refuses(values: Tuple[Any, ...], named: dict[str, Any]) -> None:
    for Thing in BOTH:
        with pytest.raises(TypeError):
            Thing(*values, **named)


def test_equality_and_hash_go_by_value_and_class() -> None:
    Thing = BOTH[0]
    assert Thing("a") == Thing("a") != Thing("b")
    assert Known("a") != Thing("a")
    assert hash(Known("a", 1)) == hash(Known("a"))
    assert len({Known("a"), Known("a"), Known("b")}) == 2
    with pytest.raises(TypeError):
        hash(Thing("a"))  # a mapping has no hash


def test_nothing_can_be_set_or_deleted_and_a_made_default_is_nobody_elses() -> None:
    thing = BOTH[0]("a")
    with pytest.raises(AttributeError):
        thing.name = "b"
    with pytest.raises(AttributeError):
        del thing.name
    assert thing.more is not BOTH[0]("a").more
    assert not hasattr(BOTH[0], "more") and BOTH[0].size == 1


def test_replace_by_either_module() -> None:
    for replace in (records.replace, dataclasses.replace):
        assert replace(Known("a"), size=2) == Known("a", 2)
        with pytest.raises(TypeError):
            replace(Known("a"), colour="red")


def test_who_looks_at_any_dataclass_sees_one() -> None:
    assert dataclasses.is_dataclass(Known) and dataclasses.is_dataclass(Known("a"))
    assert [each.name for each in dataclasses.fields(Known)] == ["name", "size"]
    assert dataclasses.asdict(BOTH[0]("a")) == dataclasses.asdict(BOTH[1]("a"))


def test_copies() -> None:
    assert copy.deepcopy(Known("a")) == pickle.loads(pickle.dumps(Known("a"))) == Known("a")
