"""A fire: which pipelines of a workflow start, with which params.

Called by `run` for `WORKFLOW[/PIPELINE]` and by `run FILE[:PIPELINE]`. Pure. Each pipeline takes those of the
fire's params that it declares; one that no pipeline of the fire declares is an error.
"""

from __future__ import annotations

from typing import Collection, Mapping

from xene.errors import NotFound
from xene.model.records import dataclass
from xene.model.workflow import Param, Scalar
from xene.plan import inputs

Declared = Mapping[str, Mapping[str, Param]]  # by pipeline, then by param


@dataclass(frozen=True)
class Start:
    """One run that a fire begins. `follows`: not at once, but when the pipelines that it needs have ended."""

    pipeline: str
    params: Mapping[str, Scalar]
    follows: bool = False


def starts(
    workflow: str,
    declared: Declared,
    only: str | None,
    given: Mapping[str, object],
    needing: Collection[str] = (),
    among: Collection[str] | None = None,
) -> tuple[Start, ...]:
    """The runs of a fire of `workflow` (or of its pipeline `only`, alone), in the manifest's order.

    `declared` are the params of all its pipelines, `needing` those that need others. `among`: only these take part,
    those that a trigger names and what follows from them; what the trigger gives to others is passed over. Raises
    NotFound for an unknown pipeline, and Usage with everything that is wrong with the params.
    """
    fired = _fired(workflow, declared, only)
    fired = fired if among is None else {name: fired[name] for name in fired if name in among}
    problems = inputs.unknown(given, _names(fired)) if among is None else []
    begun = []
    for pipeline, params in fired.items():
        values, wrong = inputs.check(params, given)
        begun.append(Start(pipeline, values, only is None and pipeline in needing))
        problems += [f"{pipeline}: {one}" if len(fired) > 1 else one for one in wrong]
    inputs.raise_problems(problems)
    return tuple(begun)


def _fired(workflow: str, declared: Declared, only: str | None) -> Declared:
    if only is None:
        return declared
    if only not in declared:
        import difflib

        near = difflib.get_close_matches(only, list(declared), 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(declared)}"
        raise NotFound(f"workflow {workflow} has no pipeline {only}", hint=hint)
    return {only: declared[only]}


def _names(fired: Declared) -> list[str]:
    """Every param that some pipeline of the fire declares, once."""
    return list(dict.fromkeys(name for params in fired.values() for name in params))
