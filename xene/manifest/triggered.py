"""Checks of what triggers start: the pipelines that name them, and the params that these get. Pure.

Called by `triggers`. A trigger starts the pipelines that name it, and pipelines that need these follow; each takes
those of the trigger's params that it declares.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from xene.engine.texts import has_template
from xene.manifest import connectors
from xene.manifest.findings import Finding, Path
from xene.manifest.params import compiled
from xene.manifest.plain import fields, items, text, texts
from xene.manifest.problems import did_you_mean, quoted
from xene.model.param_values import WrongValue, as_text, refused, shown, typed
from xene.model.trigger import RESERVED
from xene.model.workflow import ANY, OUTCOME_SKIPPED, PARAM_TYPES, Param


def triggered_findings(triggers: Any, pipelines: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with `triggers` of the pipelines, and with what the workflow's triggers give them."""
    named: dict[str, dict[str, Path]] = {name: {} for name in triggers}
    for name, pipeline in pipelines.items():
        place = (*path, "pipelines", name, "triggers")
        wanted = [each for each in items(pipeline, "triggers") if isinstance(each, str)]
        if wanted and items(pipeline, "needs"):
            yield _both(place)
            continue
        for index, trigger in enumerate(wanted):
            if trigger in triggers:
                named[trigger].setdefault(name, (*place, index))
            else:
                yield _unknown(trigger, (*place, index), triggers)
    for name, places in named.items():
        if places:
            kind = "webhook" if fields(triggers[name], "webhook") else "cron"
            given = fields(fields(triggers[name], kind), "params")
            yield from _Fire(name, given, places, pipelines, (*path, "triggers", name, kind)).findings()


def _both(place: Path) -> Finding:
    message = "a pipeline with 'needs' has no triggers: it starts when the pipelines that it needs have ended"
    return Finding(place, "wrong-value", message, "leave one of them out", at_key=True)


def _unknown(trigger: str, place: Path, triggers: Any) -> Finding:
    message = f"the workflow has no trigger {quoted(trigger)}"
    if trigger in RESERVED:
        hint = "every pipeline can be started by hand and by other pipelines; that needs no trigger"
    else:
        hint = did_you_mean(
            trigger, triggers, "" if triggers else "declare it in 'triggers' of the workflow's 'spec'"
        )
    return Finding(place, "unknown-trigger", message, hint)


class _Fire:
    """One trigger and all that it starts. `places` are where pipelines name it, `path` leads to its kind."""

    def __init__(
        self, name: str, given: Mapping[str, Any], places: Mapping[str, Path], pipelines: Any, path: Path
    ) -> None:
        self.name = name
        self.given = given
        self.places = places
        self.path = path
        self.declared = {each: _params(pipelines[each]) for each in _fired(places, pipelines)}

    def findings(self) -> Iterator[Finding]:
        """Params that nobody declares, values that do not fit, and required params without a value."""
        known = list(dict.fromkeys(param for params in self.declared.values() for param in params))
        for param, value in self.given.items():
            place = (*self.path, "params", param)
            if param not in known:
                message = f"no pipeline that this trigger starts has a param {quoted(param)}"
                hint = did_you_mean(param, known, "declare it in the pipeline's 'params'")
                yield Finding(place, "unknown-param", message, hint, at_key=True)
            elif isinstance(value, str) and not has_template(value):
                yield from self._value(param, value, place)  # what a template comes to is not known here
        for pipeline, params in self.declared.items():
            for param, declared in params.items():
                if declared is not None and declared.default is None and param not in self.given:
                    yield self._missing(pipeline, param, declared)

    def _value(self, name: str, value: str, place: Path) -> Iterator[Finding]:
        """What the first pipeline that cannot take the value has against it."""
        for pipeline, params in self.declared.items():
            why = _why_not(params.get(name), value)
            if why:
                message = f"{why}, as the param {quoted(name)} of the pipeline {quoted(pipeline)} wants"
                yield Finding(place, "wrong-value", message)
                return

    def _missing(self, pipeline: str, name: str, param: Param) -> Finding:
        message = (
            f"the trigger {quoted(self.name)} gives no value for the param {quoted(name)} of the pipeline"
            f" {quoted(pipeline)}, which has no default"
        )
        example = as_text(param.enum[0]) if param.enum else {"string": "..."}.get(param.type, param.type)
        hint = f"give it a default, or write in the trigger params: {{{name}: {example}}}"
        return Finding(self.places.get(pipeline, self.path), "missing-key", message, hint)


def _fired(named: Mapping[str, Path], pipelines: Any) -> list[str]:
    """The pipelines that name a trigger, and those that may follow them: whatever else these need does not run."""
    fired = dict.fromkeys(named)
    waiting = {
        name: connectors.needs_of(body, (), connectors.PIPELINE)
        for name, body in pipelines.items()
        if name not in fired and items(body, "needs")
    }
    grown = True
    while grown:
        follow = [name for name, needs in waiting.items() if _follows(needs, fired)]
        grown = bool(follow)
        for name in follow:
            fired[name] = waiting.pop(name)
    return list(fired)


def _follows(needs: list[connectors.Need], fired: Mapping[str, Any]) -> bool:
    within = [need for need in needs if need.name in fired]
    return bool(within) and all(need.name in fired or _takes_skipped(need.body) for need in needs)


def _takes_skipped(body: Any) -> bool:
    wanted = texts(body, "on")
    return OUTCOME_SKIPPED in wanted or ANY in wanted


def _params(pipeline: Any) -> dict[str, Param | None]:
    """The params of a pipeline; None for one that cannot be read."""
    return {name: _param(body) for name, body in fields(pipeline, "params").items()}


def _param(body: Any) -> Param | None:
    type_, default = text(body, "type"), body.get("default") if isinstance(body, dict) else None
    if type_ not in PARAM_TYPES or ("default" in body and not isinstance(default, (str, int, float))):
        return None
    allowed = tuple(value for value in items(body, "enum") if isinstance(value, (str, int, float)))
    return Param(type_, pattern=text(body, "pattern"), enum=allowed, default=default)


def _why_not(param: Param | None, value: str) -> str:
    """Why the value does not fit the param; "" where it does."""
    if param is None:
        return ""
    try:
        read = typed(param.type, value)
    except WrongValue as wrong:
        return str(wrong)
    why = refused(param, read)
    pattern = compiled(param.pattern) if why is None and param.pattern else None
    if pattern is not None and not isinstance(pattern, str) and not pattern.fullmatch(as_text(read)):
        return f"{shown(read)} does not match the pattern {param.pattern}"
    return why or ""
