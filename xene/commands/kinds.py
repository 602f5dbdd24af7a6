"""The kinds that `get`, `describe` and `why` take: their names, short forms, keys and columns. Pure.

The rows are the JSON of SPEC 4, as `store.views` gives them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Callable, Iterable

from xene.commands.tables import Column, Row
from xene.commands.text import did_you_mean
from xene.errors import Usage
from xene.model.records import dataclass
from xene.model.units import format_age
from xene.plan import phase_words


@dataclass(frozen=True)
class Kind:
    """`name` is the plural that SPEC uses; `one` the singular; `key` names a row; `wide` columns come last."""

    name: str
    one: str
    short: tuple[str, ...]
    key: Callable[[Row], str]
    columns: tuple[Column, ...]
    wide: tuple[Column, ...]

    @property
    def object(self) -> str:
        """The kind as manifests and events call it."""
        return "TaskTemplate" if self.name == "templates" else self.one.capitalize()

    def shown(self, form: str) -> tuple[Column, ...]:
        """The columns of one form."""
        return self.columns + self.wide if form == "wide" else self.columns


def seconds(instant: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 text."""
    return None if not instant else datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp()


def age(instant: str | None, now: float) -> str | None:
    """How long ago, for a table."""
    since = seconds(instant)
    return None if since is None else format_age(now - since)


def duration(row: Row, now: float) -> str | None:
    """How long it took, or has taken so far."""
    start, end = seconds(row["startedAt"]), seconds(row["finishedAt"])
    return None if start is None else format_span((now if end is None else end) - start)


def format_span(span: float) -> str:
    """Like an age, but finer below ten seconds: most steps are short."""
    if span < 1:
        return f"{max(0, round(span * 1000))}ms"
    return f"{span:.1f}s" if span < 10 else format_age(span)


def pairs(mapping: Any) -> str:
    """`a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in (mapping or {}).items())


def _of(key: str) -> Callable[[Row, float], Any]:
    return lambda row, _: row[key]


def _pipeline_name(row: Row) -> str:
    return f"{row['workflow']}/{row['pipeline']}"


def _last_run(row: Row, _: float) -> Any:
    last = row["lastRun"]
    return last["id"] if last else None


def _next_fire(row: Row, now: float) -> str | None:
    """In how long it is due next."""
    due = seconds(row["nextFire"])
    return None if due is None else f"in {format_age(max(0.0, due - now))}"


def _load(row: Row, _: float) -> str:
    total = row["capacity"]
    return f"{row['capacityUsed'] or 0}/{'?' if total is None else total}"


def _agent_phase(row: Row, _: float) -> str:
    return phase_words.agent(row)


def _pipeline_phase(row: Row, _: float) -> str:
    return phase_words.pipeline(row)


def _fact(key: str) -> Callable[[Row, float], Any]:
    return lambda row, _: (row["facts"] or {}).get(key)


WORKFLOWS = Kind(
    "workflows",
    "workflow",
    ("wf",),
    lambda row: str(row["name"]),
    (
        Column("NAME", _of("name")),
        Column("PIPELINES", lambda row, _: len(row["spec"]["pipelines"])),
        Column("GENERATION", _of("generation")),
        Column("REVISION", _of("revision")),
        Column("SOURCE", _of("source")),
    ),
    (
        Column("SUSPENDED", lambda row, _: "yes" if row["suspended"] else "no"),
        Column("LABELS", lambda row, _: pairs(row["labels"])),
    ),
)
PIPELINES = Kind(
    "pipelines",
    "pipeline",
    ("pl",),
    lambda row: f"{row['workflow']}/{row['name']}",
    (
        Column("NAME", lambda row, _: f"{row['workflow']}/{row['name']}"),
        Column("PHASE", _pipeline_phase),
        Column("AGENT", _of("agent")),
        Column("EXECUTION", _of("execution")),
        Column("NEXT", _next_fire),
        Column("REASON", _of("reason")),
    ),
    (
        Column("REVISION", _of("revision")),
        Column("OBSERVED", _of("observedRevision")),
        Column("LAST RUN", _last_run),
        Column("MESSAGE", _of("message")),
    ),
)
RUNS = Kind(
    "runs",
    "run",
    ("r",),
    lambda row: str(row["id"]),
    (
        Column("ID", _of("id")),
        Column("PIPELINE", lambda row, _: _pipeline_name(row)),
        Column("PHASE", _of("phase")),
        Column("REASON", _of("reason")),
        Column("AGENT", _of("agent")),
        Column("AGE", lambda row, now: age(row["createdAt"], now)),
        Column("TOOK", duration),
        Column("LOG", _of("log")),
    ),
    (
        Column("TRIGGER", _of("trigger")),
        Column("REVISION", _of("revision")),
        Column("MESSAGE", _of("message")),
    ),
)
AGENTS = Kind(
    "agents",
    "agent",
    ("ag",),
    lambda row: str(row["name"]),
    (
        Column("NAME", _of("name")),
        Column("PHASE", _agent_phase),
        Column("USED", _load),
        Column("SEEN", lambda row, now: age(row["lastSeenAt"], now)),
        Column("REASON", _of("reason")),
    ),
    (
        Column("LABELS", lambda row, _: pairs(row["labels"])),
        Column("HOST", _fact("hostname")),
        Column("PYTHON", _fact("python")),
        Column("VERSION", lambda row, _: (row["version"] or "")[:12]),
        Column("MESSAGE", _of("message")),
    ),
)
SECRETS = Kind(
    "secrets",
    "secret",
    ("sec",),
    lambda row: str(row["name"]),
    (
        Column("NAME", _of("name")),
        Column("FROM", _of("from")),
        Column("DIGEST", _of("digest")),
        Column("SOURCE", _of("source")),
    ),
    (Column("LABELS", lambda row, _: pairs(row["labels"])),),
)
TEMPLATES = Kind(
    "templates",
    "template",
    ("tpl", "tasktemplate", "tasktemplates"),
    lambda row: str(row["name"]),
    (
        Column("NAME", _of("name")),
        Column("PARAMS", lambda row, _: ",".join(row["spec"].get("params", {}))),
        Column("OUTPUTS", lambda row, _: ",".join(row["spec"].get("outputs", ()))),
        Column("REVISION", _of("revision")),
        Column("SOURCE", _of("source")),
    ),
    (Column("LABELS", lambda row, _: pairs(row["labels"])),),
)
SLOTS = Kind(
    "slots",
    "slot",
    ("sl",),
    lambda row: f"{row['workflow']}/{row['pipeline']}/{row['trigger']}@{row['at']}",
    (
        Column("AT", _of("at")),
        Column("PIPELINE", lambda row, _: _pipeline_name(row)),
        Column("TRIGGER", _of("trigger")),
        Column("OUTCOME", _of("outcome")),
        Column("REASON", _of("reason")),
        Column("RUN", _of("run")),
    ),
    (Column("AGENT", _of("agent")), Column("MESSAGE", _of("message"))),
)
EVENTS = Kind(
    "events",
    "event",
    ("ev",),
    lambda row: f"{row['kind']}/{row['name']}",
    (
        Column("AGE", lambda row, now: age(row["at"], now)),
        Column("OBJECT", lambda row, _: f"{row['kind'].lower()}/{row['name']}"),
        Column("REASON", _of("reason")),
        Column("MESSAGE", _of("message")),
    ),
    (Column("AT", _of("at")),),
)
TOKENS = Kind(
    "tokens",
    "token",
    ("tok",),
    lambda row: str(row["name"]),
    (
        Column("NAME", _of("name")),
        Column("ROLE", _of("role")),
        Column("FOR", _of("for")),
        Column("EXPIRES", _of("expiresAt")),
        Column("USED", lambda row, now: age(row["lastUsedAt"], now)),
        Column("AGE", lambda row, now: age(row["createdAt"], now)),
    ),
    (Column("LAST USED", _of("lastUsedAt")),),
)
ALL = (WORKFLOWS, PIPELINES, RUNS, SLOTS, AGENTS, SECRETS, TEMPLATES, EVENTS, TOKENS)


def kind_of(word: str, allowed: Iterable[Kind] = ALL) -> Kind:
    """The kind that `word` names: plural, singular or short, in any case. Raises Usage."""
    wanted = word.lower()
    known = tuple(allowed)
    for kind in known:
        if wanted in (kind.name, kind.one, *kind.short):
            return kind
    names = [kind.name for kind in known]
    hint = did_you_mean(wanted, names + [kind.one for kind in known])
    raise Usage(f"no such kind: {word}", hint=hint or f"kinds are {', '.join(names)}")
