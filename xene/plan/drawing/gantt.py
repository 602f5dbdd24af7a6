"""A run over time: every attempt of every task as a bar on one scale. Pure.

Called by the command `timeline` with a run as SPEC 4 prints it, and what its tasks need. What has not ended goes on
until `now`. Instants are seconds since 1970.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.model.units import format_age
from xene.plan.drawing.graph import phase_of, task_of
from xene.plan.drawing.spans import BOLD, DIM, PLAIN, Line, Span, columns, cut, joined, padded, squeezed
from xene.plan.marks import MARKS

Json = Mapping[str, Any]
Needs = Mapping[str, Sequence[str]]

WAITING, WORK, SUM, OPEN = "░", "█", "─", "▌"
NAME, TOOK, LEAST = 30, 10, 10  # columns of a name, of a duration, and of the bars at least
_NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


class Attempt(NamedTuple):
    """One bar. `finished` is None while it goes on."""

    number: int
    phase: str
    started: float
    finished: float | None


class Row(NamedTuple):
    """One task or instance. `ready`: since when it could have started; `is_sum`: its instances have own rows."""

    name: str
    phase: str
    reason: str
    ready: float | None
    attempts: tuple[Attempt, ...]
    is_sum: bool
    critical: bool


class Scale(NamedTuple):
    """`room` columns from `start` to `end`."""

    start: float
    end: float
    room: int

    def column(self, at: float) -> int:
        """The column of an instant, inside the scale."""
        part = (at - self.start) / (self.end - self.start)
        return min(self.room - 1, max(0, int(part * self.room)))


# -- what there is


def attempts(tasks: Json) -> list[dict[str, Any]]:
    """`{task, attempt, phase, startedAt, finishedAt}` for every attempt that has started, in that order."""
    found = [
        {"task": name, **{key: each[key] for key in ("attempt", "phase", "startedAt", "finishedAt")}}
        for name, task in tasks.items()
        for each in _tries(task)
    ]
    return sorted(found, key=lambda row: str(row["startedAt"]))


def _tries(task: Json) -> list[Json]:
    tries = [each for each in task["attempts"] if each["startedAt"]]
    return tries or ([task] if task["startedAt"] else [])


def rows(run: Json, needs: Needs, now: float) -> list[Row]:
    """The rows of a run: in order of their start, then what has not started, in the manifest's order."""
    tasks = run["tasks"]
    sums = {task_of(name) for name in tasks if task_of(name) != name}
    critical = critical_path(tasks, needs)
    begin = _begin(run, now)
    found = [
        Row(
            name,
            phase_of(task),
            task["reason"] or "",
            _ready(tasks, needs.get(task_of(name), ()), begin),
            _sum_of(tasks, name) if name in sums else _attempts(_tries(task)),
            name in sums,
            name in critical,
        )
        for name, task in tasks.items()
    ]
    return sorted(found, key=lambda row: row.attempts[0].started if row.attempts else float("inf"))


def _begin(run: Json, now: float) -> float:
    """When the first attempt of anything began: the start of a run that is tried again is that of its last try."""
    started = [instant(each["startedAt"]) for task in run["tasks"].values() for each in _tries(task)]
    found = [at for at in (instant(run["startedAt"]), *started) if at is not None]
    return min(found, default=instant(run["createdAt"]) or now)


def _attempts(tries: Sequence[Json]) -> tuple[Attempt, ...]:
    """The bars of a row. One whose end is not known ended at the latest when the next began."""
    starts = [instant(each["startedAt"]) or 0.0 for each in tries]
    ends = [
        instant(each["finishedAt"]) or after for each, after in zip(tries, [*starts, None][1:], strict=True)
    ]
    return tuple(
        Attempt(each["attempt"] or 1, each["phase"], start, end)
        for each, start, end in zip(tries, starts, ends, strict=True)
    )


def _sum_of(tasks: Json, name: str) -> tuple[Attempt, ...]:
    """The bars of a task with a matrix: it keeps its last attempt only; before that its instances tell."""
    last = _attempts(_tries(tasks[name]))
    until = last[0].started if last else float("inf")
    parts = [
        attempt
        for other, task in tasks.items()
        if task_of(other) == name != other
        for attempt in _attempts(_tries(task))
        if attempt.started < until
    ]
    return (*_together(sorted(parts, key=lambda part: part.started)), *last)


def _together(parts: Iterable[Attempt]) -> list[Attempt]:
    """When any of these was at work."""
    found: list[Attempt] = []
    for part in parts:
        last = found[-1] if found else None
        if last is None or (last.finished is not None and part.started > last.finished):
            found.append(part)
        else:
            ends = (last.finished, part.finished)
            found[-1] = last._replace(finished=None if None in ends else max(end or 0.0 for end in ends))
    return found


def _ready(tasks: Json, needs: Iterable[str], begin: float) -> float | None:
    """When what a task needs had ended; None while something has not, or has not begun."""
    found = [tasks[need] for need in needs if need in tasks]
    ends = [instant(task["finishedAt"]) for task in found]
    if any(end is None and not _passed_over(task) for end, task in zip(ends, found, strict=True)):
        return None
    return max([begin, *(end for end in ends if end is not None)])


def _passed_over(task: Json) -> bool:
    """Whether a task is never going to start, as far as one can see now."""
    waits = (task["reason"] or "Waiting").startswith("Waiting")
    return task["phase"] == phases.NOT_EXECUTED and not waits


def critical_path(tasks: Json, needs: Needs) -> set[str]:
    """Tasks that made the run as long as it was: back from the last one, over the need that ended last."""
    ends = {name: str(task["finishedAt"] or "~") for name, task in tasks.items() if task["startedAt"]}
    path: set[str] = set()
    at = max(ends, key=lambda name: (ends[name], "[" in name), default=None)
    while at is not None and at not in path:
        path.add(at)
        before = [need for need in needs.get(task_of(at), ()) if need in ends]
        at = max(before, key=lambda name: ends[name], default=None)
    return path


def instant(text: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 text."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


# -- how it looks


def timeline(run: Json, needs: Needs, now: float, width: int) -> list[Line]:
    """The lines: a scale, a row for each task, and how to read it."""
    found = rows(run, needs, now)
    name = min(NAME, max((columns(row.name) for row in found), default=1), max(4, width // 3)) + 2
    room = max(LEAST, width - name - TOOK - 1)
    begin = _begin(run, now)
    scale = Scale(begin, _end(run, found, begin, now), room)
    lines = [_axis(scale, name), *(_row(row, scale, name, now) for row in found)]
    return [*lines, _legend(found, width)]


def _end(run: Json, found: Sequence[Row], begin: float, now: float) -> float:
    ends = [now if a.finished is None else a.finished for row in found for a in row.attempts]
    last = instant(run["finishedAt"])
    return max([begin + 0.001, now if last is None else last, *ends])


def _axis(scale: Scale, name: int) -> Line:
    """Ticks at round times, their words from the tick on."""
    whole = scale.end - scale.start
    step = next((s for s in _steps() if whole / s * 8 <= scale.room), whole)
    cells, free = [" "] * scale.room, 0
    for number in range(int(whole / step) + 1):
        word = f"│{span(number * step) if number else 0}"
        column = scale.column(scale.start + number * step)
        if free <= column and column + len(word) <= scale.room:
            cells[column : column + len(word)] = word
            free = column + len(word) + 1
    return (Span(" " * (name + 1)), Span("".join(cells).rstrip(), DIM))


def _steps() -> Iterator[float]:
    for power in (0.001, 0.01, 0.1):
        yield from (power * each for each in (1, 2, 5))
    yield from _NICE
    day = 86400.0
    for _ in range(40):
        day *= 2
        yield day


def span(seconds: float) -> str:
    """A time that something took: `250ms`, `3.2s`, `1m5s`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    return format_age(seconds)


def _row(row: Row, scale: Scale, name: int, now: float) -> Line:
    head = (
        Span(f"{MARKS.get(row.phase, ' ')} ", row.phase),
        Span(squeezed(row.name, name - 2), BOLD if row.critical else PLAIN),
    )
    first = padded(head, name)
    if not row.attempts:
        return (*first, Span(" "), *_not_begun(row, scale, now))
    took = sum((now if a.finished is None else a.finished) - a.started for a in row.attempts)
    count = row.attempts[-1].number if row.is_sum else len(row.attempts)
    tries = f" ×{count}" if count > 1 else ""
    bars = padded(joined(_cells(row, scale, now)), scale.room)
    return (*first, Span(" "), *bars, Span(f" {span(took)}{tries}", DIM if row.is_sum else PLAIN))


def _not_begun(row: Row, scale: Scale, now: float) -> Line:
    """Why a row has no bar; if it waits, also since when and how long."""
    if not row.reason.startswith("Waiting") or row.ready is None:
        return (Span(cut(row.reason or row.phase, scale.room), DIM),)
    cells = _cells(row, scale, now)
    blank = next((n for n, (char, _) in enumerate(cells) if char == WAITING), len(cells))
    words = row.reason if columns(row.reason) < blank else ""
    bar = padded(joined(cells[blank:]), scale.room - blank)
    return (*padded((Span(words, DIM),), blank), *bar, Span(f" {span(now - row.ready)}", DIM))


def _cells(row: Row, scale: Scale, now: float) -> list[tuple[str, str]]:
    """One character and style for each column, up to the end of the row's last bar."""
    cells: list[tuple[str, str]] = []
    since = row.ready
    for attempt in row.attempts:
        start = scale.column(attempt.started)
        _wait(cells, since, start, scale)
        end = max(start, scale.column(now if attempt.finished is None else attempt.finished))
        begin = max(start, len(cells)) if len(cells) <= end else len(cells)
        cells += [(SUM if row.is_sum else WORK, DIM if row.is_sum else attempt.phase)] * max(
            1, end + 1 - begin
        )
        _tip(cells, attempt, row.is_sum)
        since = attempt.finished
    if row.reason.startswith("Waiting") and since is not None:
        _wait(cells, since, scale.column(now) + 1, scale)
    return cells[: scale.room]


def _wait(cells: list[tuple[str, str]], since: float | None, until: int, scale: Scale) -> None:
    """Fill up to `until`: blank, then light from `since` on."""
    begin = until if since is None else scale.column(since) + 1
    while len(cells) < until:
        cells.append((WAITING, DIM) if len(cells) >= begin else (" ", PLAIN))


def _tip(cells: list[tuple[str, str]], attempt: Attempt, is_sum: bool) -> None:
    """The last column says how it ended, for those who see no colours."""
    if attempt.phase == phases.ERROR and not is_sum:
        cells[-1] = (MARKS[phases.ERROR], phases.ERROR)
    elif attempt.finished is None:
        cells[-1] = (OPEN, attempt.phase)


def _legend(found: Sequence[Row], width: int) -> Line:
    words = [f"{WORK} at work", f"{WAITING} waiting", f"{MARKS[phases.ERROR]} failed"]
    if any(row.critical for row in found):
        words.append("bold: the longest way")
    return (Span(cut(", ".join(words), width), DIM),)
