"""One object in full, as text for people. Pure: the JSON of SPEC 4 in, text out. Used by `describe`."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from xene.commands import kinds, tables
from xene.commands.tables import BOLD, Row, fields, paint
from xene.commands.text import one_line
from xene.model.fields import as_list
from xene.model.trigger import UTC
from xene.plan import phase_words


def workflow(row: Row, pipelines: Sequence[Row], color: bool, description: str = "") -> str:
    """A workflow with its pipelines and their tasks. Its `description` is no part of its row."""
    spec = row["spec"]
    head = fields(
        [
            ("Name", row["name"]),
            *([("Description", description)] if description else []),
            ("Source", row["source"]),
            ("Labels", row["labels"]),
            ("Generation", row["generation"]),
            ("Revision", row["revision"]),
            ("Suspended", "yes" if row["suspended"] else "no"),
            ("Env", spec.get("env", {})),
        ],
        color=color,
    )
    return head + "".join(_pipeline_of(spec, one, color) for one in pipelines)


def _pipeline_of(spec: Mapping[str, Any], row: Row, color: bool) -> str:
    body = spec["pipelines"].get(row["name"], {})
    title = paint(f"Pipeline {one_line(row['name'])}", BOLD, color)
    return f"\n{title}\n" + fields(_placed(row) + _declared(body), color=color, indent="  ")


def _placed(row: Row) -> list[tuple[str, Any]]:
    return [
        ("Phase", row["phase"]),
        ("Reason", row["reason"]),
        ("Message", row["message"]),
        ("Agent", row["agent"]),
        ("Revision", revision(row)),
        ("Execution", row["execution"]),
    ]


def revision(row: Row) -> str:
    """The wanted revision, and what the agent has where it is another."""
    if row["observedRevision"] in (None, row["revision"]):
        return str(row["revision"])
    return f"{row['revision']} (the agent has {row['observedRevision']})"


def _declared(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    described = body.get("description")
    return [
        *([("Description", described)] if described else []),
        ("Params", [_param(name, param) for name, param in body.get("params", {}).items()]),
        ("Placement", _placement(body.get("placement", {}))),
        ("Tasks", [_task(name, task) for name, task in body.get("tasks", {}).items()]),
    ]


def _param(name: str, param: Mapping[str, Any]) -> str:
    words = [f"{name}: {param['type']}"]
    if "enum" in param:
        words.append("one of " + ", ".join(tables.word(value) for value in param["enum"]))
    if "pattern" in param:
        words.append(f"like {param['pattern']}")
    words.append(f"default {_literal(param['default'])}" if "default" in param else "required")
    return ", ".join(words)


def _literal(value: Any) -> str:
    """A param's value as a manifest writes it."""
    return f"'{value}'" if isinstance(value, str) else tables.word(value)


def _placement(placement: Mapping[str, Any]) -> list[str]:
    selector = placement.get("agentSelector", {})
    words = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for one in selector.get("matchExpressions", ()):
        values = f" ({', '.join(one['values'])})" if one.get("values") else ""
        words.append(f"{one['key']} {one['operator']}{values}")
    if "agent" in placement:
        words.append(f"pinned to {placement['agent']}")
    if "size" in placement:
        words.append(f"size {placement['size']}")
    return words or ["any agent"]


def _task(name: str, task: Mapping[str, Any]) -> str:
    needs = [need if isinstance(need, str) else need["task"] for need in task.get("needs", ())]
    after = f" after {', '.join(needs)}" if needs else ""
    return f"{name}{after}: {', '.join(step['name'] for step in task['steps'])}"


def pipeline(row: Row, _: float, color: bool) -> str:
    """A pipeline: where it is, and why."""
    pairs = [("Workflow", row["workflow"]), ("Name", row["name"]), *_placed(row)]
    last = row["lastRun"]
    pairs += [
        ("Suspended", "yes" if row["suspended"] else "no"),
        ("Next fire", row["nextFire"]),
        ("Last run", f"{last['id']} {last['phase']}" if last else None),
    ]
    return fields(pairs, color=color)


def run(row: Row, now: float, color: bool) -> str:
    """A run with every task and step."""
    last_known = row["lastKnownPhase"]
    head = fields(
        [
            ("Id", row["id"]),
            ("Pipeline", f"{row['workflow']}/{row['pipeline']}"),
            ("Phase", row["phase"]),
            *([("Last known", last_known)] if last_known not in (None, row["phase"]) else []),
            ("Reason", row["reason"]),
            ("Message", row["message"]),
            ("Agent", row["agent"]),
            ("Trigger", row["trigger"]),
            *([("Slot", row["slot"])] if row["slot"] else []),
            ("Fire", row["fire"]),
            ("Params", row["params"]),
            ("Revision", row["revision"]),
            ("Attempt", row["attempt"]),
            ("Log", row["log"]),
            ("Created", _when(row["createdAt"], now)),
            ("Started", _when(row["startedAt"], now)),
            ("Finished", _when(row["finishedAt"], now)),
            ("Took", kinds.duration(row, now)),
        ],
        color=color,
    )
    return head + "\n" + tasks(row["tasks"], now, color)


def tasks(all_tasks: Mapping[str, Row], now: float, color: bool) -> str:
    """Every task and step of a run as one table, then the outputs."""
    cells = []
    for name, task in all_tasks.items():
        cells.append([one_line(name), *_state(task, now)])
        cells += [[f"  {one_line(step['name'])}", *_state(step, now)] for step in task["steps"]]
    text = tables.lay_out(["TASK", "PHASE", "REASON", "EXIT", "TOOK", "MESSAGE"], cells, color=color)
    outputs = [
        (f"{name}.{key}", value) for name, task in all_tasks.items() for key, value in task["outputs"].items()
    ]
    return text + (f"\n{paint('Outputs', BOLD, color)}\n{fields(outputs, indent='  ')}" if outputs else "")


def _state(thing: Row, now: float) -> list[str]:
    exit_code = thing.get("exitCode")
    return [
        thing["phase"],
        thing["reason"] or "-",
        "-" if exit_code is None else str(exit_code),
        kinds.duration(thing, now) or "-",
        one_line(thing["message"] or "") or "-",
    ]


def _when(instant: str | None, now: float) -> str | None:
    return f"{instant} ({kinds.age(instant, now)} ago)" if instant else None


def agent(row: Row, now: float, color: bool) -> str:
    """An agent: its state, and what it said of its host."""
    return fields(
        [
            ("Name", row["name"]),
            ("Phase", phase_words.agent(row)),
            ("Reason", row["reason"]),
            ("Message", row["message"]),
            ("Cordoned", "yes" if row["cordoned"] else "no"),
            *([("Drained", "yes")] if row["drained"] else []),
            ("Capacity", f"{row['capacityUsed'] or 0} used of {row['capacity'] or 'unknown'}"),
            ("Labels", row["labels"]),
            ("Version", row["version"]),
            ("Last seen", _when(row["lastSeenAt"], now)),
            ("Facts", row["facts"] or {}),
        ],
        color=color,
    )


def secret(row: Row, _: float, color: bool) -> str:
    """A secret: where its value comes from, never the value."""
    pairs = [("Name", row["name"]), ("From", row["from"]), ("Digest", f"{row['digest']} (of its spec)")]
    return fields([*pairs, ("Source", row["source"]), ("Labels", row["labels"])], color=color)


def token(row: Row, _: float, color: bool) -> str:
    """A token: what it opens and until when, never the token."""
    pairs = [("Name", row["name"]), ("Role", row["role"]), ("For", row["for"] or "everything")]
    pairs += [("Created", row["createdAt"]), ("Expires", row["expiresAt"] or "never")]
    return fields([*pairs, ("Last used", row["lastUsedAt"])], color=color)


def template(row: Row, description: str, color: bool) -> str:
    """A task template: what its users hand in, get, and take over."""
    spec = row["spec"]
    head = [("Name", row["name"]), *([("Description", description)] if description else [])]
    head += [("Source", row["source"]), ("Labels", row["labels"]), ("Revision", row["revision"])]
    head += [("Params", [_param(name, param) for name, param in spec.get("params", {}).items()])]
    head += [("Outputs", spec.get("outputs", [])), ("Task", _task(row["name"], spec["task"]))]
    return fields(head, color=color)


def triggers(rows: Sequence[Row], color: bool) -> str:
    """The cron triggers of a workflow or pipeline, and when each is due next."""
    cells = [
        [
            one_line(f"{row['pipeline']}/{row['name']}"),
            one_line(", ".join(as_list(row["cron"]["schedule"]))),
            one_line(row["cron"].get("timeZone", UTC)),
            row["nextDue"] or "-",
        ]
        for row in rows
    ]
    body = tables.lay_out(["TRIGGER", "SCHEDULE", "TIME ZONE", "NEXT DUE"], cells, color=color)
    return f"\n{paint('Triggers', BOLD, color)}\n" + "".join(f"  {line}\n" for line in body.splitlines())


def webhooks(rows: Sequence[Row], color: bool) -> str:
    """The webhook triggers of a workflow or pipeline, and where deliveries go."""
    cells = [
        [
            f"{row['pipeline']}/{row['name']}",
            row["verify"],
            row["secretRef"],
            row["path"],
            one_line(row["when"] or "-"),
        ]
        for row in rows
    ]
    body = tables.lay_out(["TRIGGER", "VERIFIED BY", "SECRET", "POST", "WHEN"], cells, color=color)
    return f"\n{paint('Webhooks', BOLD, color)}\n" + "".join(f"  {line}\n" for line in body.splitlines())


def notices(rows: Sequence[Row], color: bool) -> str:
    """Notices of a pipeline that are not delivered yet."""
    cells = [
        [
            row["kind"],
            one_line(row["run"] or row["trigger"]),
            one_line(row["to"]),
            str(row["tries"]),
            row["nextTryAt"] or "-",
            one_line(row["error"] or "-"),
        ]
        for row in rows
    ]
    body = tables.lay_out(["NOTICE", "ABOUT", "TO", "TRIES", "NEXT TRY", "ERROR"], cells, color=color)
    title = paint("Notices not delivered yet", BOLD, color)
    return f"\n{title}\n" + "".join(f"  {line}\n" for line in body.splitlines())


def slot(row: Row, now: float, color: bool) -> str:
    """A slot: one instant at which a trigger was due."""
    pairs = [("Pipeline", f"{row['workflow']}/{row['pipeline']}"), ("Trigger", row["trigger"])]
    pairs += [("At", _when(row["at"], now)), ("Outcome", row["outcome"]), ("Reason", row["reason"])]
    pairs += [("Message", row["message"]), ("Run", row["run"]), ("Agent", row["agent"])]
    return fields(pairs, color=color)


def section(title: str, rows: Sequence[Row], kind: kinds.Kind, now: float, color: bool) -> str:
    """A table below an object: its events, its last runs. Nothing where there are none."""
    if not rows:
        return ""
    body = tables.render(rows, kind.columns, now, color=color)
    return f"\n{paint(title, BOLD, color)}\n" + "".join(f"  {line}\n" for line in body.splitlines())


def event(row: Row, now: float, color: bool) -> str:
    """An event in full."""
    pairs = [("At", _when(row["at"], now)), ("Kind", row["kind"]), ("Name", row["name"])]
    pairs += [("Reason", row["reason"]), ("Message", (row["message"] or "").splitlines())]
    return fields(pairs, color=color)


PAGES: Mapping[str, Callable[[Row, float, bool], str]] = {
    "pipelines": pipeline,
    "runs": run,
    "slots": slot,
    "agents": agent,
    "secrets": secret,
    "tokens": token,
}
