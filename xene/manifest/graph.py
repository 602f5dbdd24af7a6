"""The graph of tasks, or of pipelines: unknown needs, circles, and which tasks are upstream of which. Pure.

Called by `checks`. Upstream sets are bit masks, so thousands of tasks cost little.
"""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from types import MappingProxyType
from typing import Any, Iterator, Mapping

from xene.manifest.connectors import Need
from xene.manifest.findings import Finding
from xene.manifest.problems import did_you_mean, quoted

Needs = Mapping[str, tuple[str, ...]]
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Upstream:
    """Answers whether a task has surely ended before another one starts. Worked out when first asked.

    Of what a task in `loose` needs, any one is enough: sure is only what all of them have upstream.
    """

    def __init__(self, needs: Needs, loose: frozenset[str] = frozenset()) -> None:
        self._needs = needs
        self.loose = loose
        self._bit = {name: 1 << n for n, name in enumerate(needs)}
        self._masks: dict[str, int] | None = None

    def known(self, task: str) -> bool:
        """False for a task in or behind a circle: nothing can be said about it."""
        return task in self._all()

    def holds(self, task: str, other: str) -> bool:
        """Whether `other` is upstream of `task`."""
        return bool(self._all()[task] & self._bit[other])

    def _all(self) -> dict[str, int]:
        if self._masks is None:
            self._masks = {}
            for name in in_order(self._needs):
                above = [
                    self._masks[need] | self._bit[need]
                    for need in self._needs[name]
                    if need in self._bit and need != name
                ]
                join = and_ if name in self.loose else or_
                self._masks[name] = reduce(join, above) if above else 0
        return self._masks


def in_order(needs: Needs) -> list[str]:
    """Tasks after what they need; those in a circle or behind one are left out (Kahn 1962).

    That a task needs itself is passed over here: it is a finding of its own.
    """
    waiting = dict.fromkeys(needs, 0)
    followers: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in needs.items():
        for need in set(wanted):
            if need in followers and need != name:
                followers[need].append(name)
                waiting[name] += 1
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:
        for follower in followers[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    return ready


def findings(
    needs: Mapping[str, list[Need]], noun: str, whole: str, others: Mapping[str, str] = _NOTHING
) -> Iterator[Finding]:
    """Needs of what is not there, and circles, among things of one `noun` (task, pipeline).

    `whole` is what they are in, in words. `others` says of names that stand elsewhere why they cannot be needed.
    """
    for name, wanted in needs.items():
        for need in wanted:
            if need.name and need.name not in needs:
                yield _unknown(name, need, needs, noun, whole, others)
            elif need.name == name:
                yield Finding(need.path, "cycle", f"the {noun} {quoted(name)} needs itself")
    order = {name: tuple(need.name for need in wanted) for name, wanted in needs.items()}
    placed = in_order(order)
    if len(placed) == len(order):
        return
    left = order.keys() - placed
    for circle in _circles({name: order[name] for name in order if name in left}):
        index = order[circle[0]].index(circle[1])
        yield Finding(needs[circle[0]][index].path, "cycle", _circle_in_words(circle, noun))


def _unknown(
    name: str, need: Need, needs: Mapping[str, Any], noun: str, whole: str, others: Mapping[str, str]
) -> Finding:
    message = f"the {noun} {quoted(name)} needs {quoted(need.name)}, which {whole} does not have"
    if need.name in others:
        message = f"the {noun} {quoted(name)} cannot need {quoted(need.name)}"
        return Finding(need.path, f"unknown-{noun}", message, others[need.name])
    return Finding(
        need.path, f"unknown-{noun}", message, did_you_mean(need.name, [t for t in needs if t != name])
    )


def _circle_in_words(circle: list[str], noun: str) -> str:
    shown = [*circle[:8], *(["..."] if len(circle) > 8 else []), circle[0]]
    return f"{noun}s need each other in a circle: " + " -> ".join(quoted(name)[1:-1] for name in shown)


def _circles(needs: Needs) -> Iterator[list[str]]:
    """One circle for every knot: follow the first need that is left until a task comes again."""
    done: set[str] = set()
    for start in needs:
        trail: dict[str, int] = {}
        at: str | None = start
        while at is not None and at not in done and at not in trail:
            trail[at] = len(trail)
            at = next((need for need in needs[at] if need in needs and need != at), None)
        if at is not None and at in trail:
            yield list(trail)[trail[at] :]
        done.update(trail)
