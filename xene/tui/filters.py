"""What is typed behind `/`: words that must occur, and label selectors; and the orders that rows may have. Pure."""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Sequence

from xene.errors import Usage
from xene.model import phases
from xene.model.workflow import Requirement
from xene.plan import overview, phase_words, selectors

Json = Mapping[str, Any]


class Filter(NamedTuple):
    """All `words` occur in a row, all `requirements` hold for its labels. `problem`: a selector that is none."""

    words: tuple[str, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    problem: str = ""


def parse(text: str) -> Filter:
    """`build team=web,!old`: words, and selectors, which have a `=` or begin with `!`."""
    words: list[str] = []
    requirements: list[Requirement] = []
    problem = ""
    for word in text.split():
        if "=" not in word and not word.startswith("!"):
            words.append(word.lower())
            continue
        try:
            requirements += selectors.parse(word)
        except Usage as error:
            problem = error.message
    return Filter(tuple(words), tuple(requirements), problem)


def takes(wanted: Filter, text: str, labels: Mapping[str, str]) -> bool:
    """Whether a row with this text (in lower case) and these labels is wanted."""
    return all(word in text for word in wanted.words) and selectors.matches(wanted.requirements, labels)


def text_of(row: Json, keys: Sequence[str]) -> str:
    """What words are looked for in: these fields of a row."""
    return " ".join(str(row[key]) for key in keys if row[key]).lower()


# -- pipelines

SORTS = ("name", "trouble", "next", "newest")


def pipelines(
    rows: Sequence[Json], texts: Sequence[str], wanted: Filter, sort: str = "name"
) -> Sequence[Json]:
    """The pipelines that are wanted, in one of the orders of `SORTS`; `texts` are what words are looked for in."""
    if wanted.words or wanted.requirements:
        rows = [row for row, text in zip(rows, texts, strict=True) if takes(wanted, text, row["labels"])]
    order = _ORDERS.get(sort)
    return rows if order is None else sorted(rows, key=order)


def texts(rows: Sequence[Json], agents: Mapping[str, Json]) -> list[str]:
    """What words are looked for in, of each of these pipelines: names, states, what waits."""
    return [_text(row, agents) for row in rows]


def _text(row: Json, agents: Mapping[str, Json]) -> str:
    fields = text_of(row, ("workflow", "agent", "execution", "reason"))
    name = f"{row['workflow']}/{row['name']}"
    return " ".join((name, phase_words.pipeline(row), fields, overview.waits(row, agents))).lower()


def _trouble(row: Json) -> int:
    """The smaller, the sooner somebody should look."""
    if row["execution"] == phases.UNKNOWN or any(kind["phase"] == phases.UNKNOWN for kind in row["open"]):
        return 0
    if row["phase"] == phases.NOT_SCHEDULED:
        return 1
    if row["execution"] == phases.ERROR:
        return 2
    if any(kind["reason"] for kind in row["open"]) or row["followers"] or row["reason"]:
        return 3
    return 4 if row["open"] else 5


def _newest(row: Json) -> str:
    """Ids begin with their instant; each character is turned around, so that the newest sorts first."""
    last = row["lastRun"]
    return "".join(chr(255 - ord(char)) for char in last["id"]) if last else "\uffff"


_ORDERS: Mapping[str, Callable[[Json], Any]] = {
    "trouble": _trouble,
    "next": lambda row: row["nextFire"] or "~",
    "newest": _newest,
}
