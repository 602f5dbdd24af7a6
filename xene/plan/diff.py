"""The plan: what an apply would create, change and remove. Wanted minus stored.

Called by `diff` and `apply`, which render it, pass it through `plan.guards`, and write it. Pure. Objects whose
digests agree cost nothing: their data is never loaded, and that of the others only when `fields` is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable, Iterable, Mapping

from xene.model import codec
from xene.plan.fields import Field, fields

CREATED = "created"
CHANGED = "changed"
REMOVED = "removed"
UNCHANGED = "unchanged"

Load = Callable[[], Mapping[str, Any]]
_Key = tuple[str, str]


def _nothing() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Thing:
    """An object, wanted or stored. `generation` counts its changes in the state; 0 for a wanted one."""

    kind: str
    name: str
    source: str
    digest: str
    data: Load = field(repr=False, compare=False)
    generation: int = 0

    @property
    def key(self) -> _Key:
        return self.kind, self.name


@dataclass(frozen=True)
class Change:
    """What happens to one object. `taken_from` names the source that owned it, where `--take-over` takes it."""

    action: str
    kind: str
    name: str
    taken_from: str | None = None
    _old: Load = field(default=_nothing, repr=False, compare=False)
    _new: Load = field(default=_nothing, repr=False, compare=False)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """What differs, for a changed object; nothing for the others, whose name says it all."""
        return tuple(fields(self._old(), self._new())) if self.action == CHANGED else ()


@dataclass(frozen=True)
class Ownership:
    """An object that is wanted here, but belongs to another source."""

    kind: str
    name: str
    owner: str

    @property
    def message(self) -> str:
        return f"{self.kind} {self.name} belongs to the source {self.owner}"


@dataclass(frozen=True)
class Plan:
    """All changes, by kind and name; `conflicts` are refused. `digest` names what was seen on both sides.

    `owned` is how many objects the source has in the state, `wanted` how many the manifests hold.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[Ownership, ...]
    digest: str
    owned: int
    wanted: int

    def of(self, action: str) -> tuple[Change, ...]:
        """The changes of one kind of action."""
        return tuple(change for change in self.changes if change.action == action)

    @property
    def differs(self) -> bool:
        """Whether an apply would write anything, or be refused."""
        return bool(self.conflicts) or any(change.action != UNCHANGED for change in self.changes)


def diff(
    wanted: Iterable[Thing],
    stored: Iterable[Thing],
    source: str,
    complete: bool,
    *,
    take_over: bool = False,
    prune: bool = True,
) -> Plan:
    """What makes `stored` (the objects of all sources) match `wanted` (those of `source`).

    An object of another source is a conflict, unless `take_over`. What `source` owns and no longer wants is
    removed only if `complete` (all of the source was read) and `prune`.
    """
    new = {thing.key: thing for thing in wanted}
    old = {thing.key: thing for thing in stored if thing.source == source or thing.key in new}
    changes, conflicts = [], []
    for key in sorted({*new, *old}):
        before, after = old.get(key), new.get(key)
        if before and after and before.source != source and not take_over:
            conflicts.append(Ownership(*key, before.source))
        elif after or (complete and prune):
            changes.append(_change(key, before, after, source))
    owned = sum(thing.source == source for thing in old.values())
    digest = _digest(source, complete, new.values(), old.values())
    return Plan(tuple(changes), tuple(conflicts), digest, owned, len(new))


def _change(key: _Key, before: Thing | None, after: Thing | None, source: str) -> Change:
    if before is None:
        return Change(CREATED, *key)
    if after is None:
        return Change(REMOVED, *key)
    taken_from = None if before.source == source else before.source
    if before.digest == after.digest and taken_from is None:
        return Change(UNCHANGED, *key)
    return Change(CHANGED, *key, taken_from, before.data, after.data)


def _digest(source: str, complete: bool, new: Iterable[Thing], old: Iterable[Thing]) -> str:
    """Of both sides as they were seen, not of the flags: `diff` shows it, `apply --if-unchanged` compares it."""
    wanted = sorted((*thing.key, thing.digest) for thing in new)
    stored = sorted((*thing.key, thing.source, thing.digest, thing.generation) for thing in old)
    return codec.digest([source, complete, wanted, stored])
