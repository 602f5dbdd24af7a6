"""The graph of a pipeline's tasks: unknown needs, circles, and which tasks are upstream of which. Pure.

Called by `checks`. Upstream sets are bit masks, so thousands of tasks cost little.
"""

from __future__ import annotations

from typing import Iterator, Mapping

from xene.manifest.findings import Finding, Path
from xene.manifest.problems import did_you_mean, quoted

Needs = Mapping[str, tuple[str, ...]]


class Upstream:
    """Answers whether a task has surely ended before another one starts. Worked out when first asked."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
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
                mask = 0
                for need in self._needs[name]:
                    if need in self._bit and need != name:
                        mask |= self._masks[need] | self._bit[need]
                self._masks[name] = mask
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


def findings(needs: Needs, path: Path) -> Iterator[Finding]:
    """Needs of unknown tasks and circles. `path` leads to the pipeline's `tasks`."""
    for name, wanted in needs.items():
        for index, need in enumerate(wanted):
            if need == name:
                message = f"the task {quoted(name)} needs itself"
                yield Finding((*path, name, "needs", index), "cycle", message)
            elif need and need not in needs:
                message = f"the task {quoted(name)} needs {quoted(need)}, which this pipeline does not have"
                place = (*path, name, "needs", index)
                yield Finding(
                    place, "unknown-task", message, did_you_mean(need, [t for t in needs if t != name])
                )
    placed = set(in_order(needs))
    for circle in _circles({name: needs[name] for name in needs if name not in placed}):
        index = needs[circle[0]].index(circle[1])
        yield Finding((*path, circle[0], "needs", index), "cycle", _circle_in_words(circle))


def _circle_in_words(circle: list[str]) -> str:
    shown = [*circle[:8], *(["..."] if len(circle) > 8 else []), circle[0]]
    return "tasks need each other in a circle: " + " -> ".join(quoted(name)[1:-1] for name in shown)


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
