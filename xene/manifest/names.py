"""What the names in an expression stand for at one place: their types, or why they cannot stand there. Pure.

Called by `templates`, which hands it to `expression_types.infer`. A name that is not there is told with what was
probably meant; keys that say which task or param is meant must be written out, since nothing else can be checked.
"""

from __future__ import annotations

from typing import Callable, Mapping

from xene.engine.mismatch import ANY, OBJECT, TEXT, shown
from xene.engine.tree import Name
from xene.manifest import event_names, outputs
from xene.manifest.expression_types import Fault
from xene.manifest.keys import UNKNOWN, behind, not_written_out
from xene.manifest.problems import closest, did_you_mean, listed, quoted
from xene.manifest.reach import Reach, Types
from xene.manifest.typos import slip_of
from xene.model.notice import FACTS

_FOREIGN = {"needs": "tasks", "jobs": "tasks", "inputs": "params", "parameters": "params", "vars": "env"}


class Names:
    """Gives the type of a name, or a fault. `more` gathers what else is wrong with a name that has a fault."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.more: list[Fault] = []

    def __call__(self, name: Name) -> str | Fault:
        if self.reach.event and name.root != "secrets":
            return event_names.of_webhook(name)
        if self.reach.notice:
            return _of_notice(name)
        rule = _ROOTS.get(name.root)
        return _nothing(name, self.reach) if rule is None else rule(self, name)

    # -- one rule for each first word

    def param(self, name: Name) -> str | Fault:
        """`params.NAME`."""
        reach = self.reach
        if not name.keys:
            return OBJECT
        key = name.keys[0]
        if not isinstance(key, str):
            return not_written_out(name, key, "params.NAME")
        if key in reach.params:
            return behind(reach.params[key], name, 1)
        if reach.shared_params:
            message = (
                f"{reach.whose} may use only params that every pipeline declares, which {quoted(key)} is not"
            )
            otherwise = "move the variable to the env of the pipelines that declare the param"
        else:
            message, otherwise = f"the pipeline has no param {quoted(key)}", "declare it in 'params'"
        return Fault(name.offset, message, did_you_mean(key, reach.params, otherwise), "unknown-param")

    def variable(self, name: Name) -> str | Fault:
        """`env.NAME`: what stands further out. A name that nothing declares may be the agent's own."""
        if not name.keys:
            return OBJECT
        key, declared = name.keys[0], self.reach.env
        if isinstance(key, str) and key not in declared:
            if key in self.reach.secrets:
                hint = f"read the environment variable {key} in the step"
                return Fault(name.offset, "secrets are not in reach of expressions", hint, UNKNOWN)
            if key.startswith("XENE_"):
                message = f"{quoted('env.' + key)} is there only for the programs of a step"
                return Fault(name.offset, message, _instead_of(key), UNKNOWN)
            meant = slip_of(key, declared)
            if meant is not None:
                message = f"nothing around here declares the variable {quoted(key)}"
                return Fault(name.offset, message, f"did you mean {quoted(meant)}?", UNKNOWN)
        return behind(TEXT, name, 1)

    def task(self, name: Name) -> str | Fault:
        """`tasks.TASK.outputs.NAME` and `tasks.TASK.outcome`."""
        return outputs.of_task(name, self.reach, self.more)

    def step(self, name: Name) -> str | Fault:
        """`steps.STEP.outputs.NAME`."""
        return outputs.of_step(name, self.reach)

    def axis(self, name: Name) -> str | Fault:
        """`matrix.KEY`."""
        matrix = self.reach.matrix
        if matrix is None:
            return Fault(name.offset, "there is no matrix here", self.reach.no_matrix, UNKNOWN)
        if not name.keys:
            return OBJECT
        key = name.keys[0]
        if not isinstance(key, str):
            return not_written_out(name, key, "matrix.KEY")
        if key not in matrix:
            message = f"the matrix has no axis {quoted(key)}"
            return Fault(name.offset, message, did_you_mean(key, matrix), UNKNOWN)
        return behind(matrix[key], name, 1)

    def run(self, name: Name) -> str | Fault:
        """`run.id` and `run.outcome`."""
        if name.keys[:1] == ("outcome",) and not self.reach.in_finally:
            message = "'run.outcome' is there only in 'finally', when all other tasks have ended"
            return Fault(name.offset, message, "", UNKNOWN)
        known = {"id": TEXT, "outcome": TEXT} if self.reach.in_finally else {"id": TEXT}
        return _fixed(name, known)

    def agent(self, name: Name) -> str | Fault:
        """`agent.name` and `agent.labels.KEY`."""
        if name.keys[:1] == ("labels",):
            return OBJECT if len(name.keys) == 1 else behind(TEXT, name, 2)
        return _fixed(name, {"name": TEXT, "labels.KEY": TEXT})

    def event(self, name: Name) -> str | Fault:
        """`event.KEY`, which only triggers may name."""
        return event_names.elsewhere(name)

    def secret(self, name: Name) -> str | Fault:
        """`secrets.NAME`, which is refused."""
        hint = "name it in the pipeline's 'secrets' and read the environment variable"
        return Fault(name.offset, "secrets are not in reach of expressions", hint, UNKNOWN)


_ROOTS: Mapping[str, Callable[[Names, Name], str | Fault]] = {
    "params": Names.param,
    "env": Names.variable,
    "tasks": Names.task,
    "steps": Names.step,
    "matrix": Names.axis,
    "run": Names.run,
    "agent": Names.agent,
    "event": Names.event,
    "secrets": Names.secret,
}
ROOTS = tuple(root for root in _ROOTS if root not in ("secrets", "event"))


def _of_notice(name: Name) -> str | Fault:
    """`notice.KEY`, the only name that the template of a notice may use."""
    if name.root != "notice":
        message = f"{quoted(shown(name))} is not in reach of a notice"
        return Fault(name.offset, message, f"it may name notice.{', notice.'.join(FACTS)}", UNKNOWN)
    if not name.keys:
        return OBJECT
    key = name.keys[0]
    if not isinstance(key, str):
        return not_written_out(name, key, "notice.text")
    if key not in FACTS:
        return Fault(name.offset, f"a notice has no {quoted(key)}", did_you_mean(key, FACTS, ""), UNKNOWN)
    return behind(ANY, name, 1)


def _nothing(name: Name, reach: Reach) -> Fault:
    """The fault of a name that begins with a word that means nothing."""
    root, written = name.root, shown(name)
    near = _FOREIGN.get(root) or closest(root, ROOTS)
    holder = _holder(name, reach)
    if holder is not None:
        hint = f"did you mean {quoted(f'{holder}.{written}')}?"
    elif near is not None and (name.keys or near.lower() == root.lower()):
        hint = f"did you mean {quoted(near + written[len(root) :])}?"
    elif not name.keys:
        hint = f"a text wants quotes: '{root}'; a name begins with {listed(ROOTS, 'or')}"
    else:
        hint = f"a name begins with {listed(ROOTS, 'or')}"
    return Fault(name.offset, f"there is no {quoted(written)}", hint, UNKNOWN)


def _holder(name: Name, reach: Reach) -> str | None:
    """What has a key of this name, if its beginning was left out."""
    if name.keys:
        there = reach.tasks is not None and name.root in reach.tasks.outputs
        return "tasks" if there and name.keys[0] in ("outputs", "outcome") else None
    if name.root in reach.params:
        return "params"
    if name.root in (reach.matrix or ()):
        return "matrix"
    return "env" if name.root in reach.env else None


def _fixed(name: Name, known: Types) -> str | Fault:
    """The type of a name whose keys are the same in all manifests."""
    key = name.keys[0] if name.keys else None
    if isinstance(key, str) and key in known:
        return behind(known[key], name, 1)
    options = [f"{name.root}.{option}" for option in known]
    return Fault(
        name.offset, f"there is no {quoted(shown(name))}", did_you_mean(shown(name), options), UNKNOWN
    )


def _instead_of(variable: str) -> str:
    """How an expression says what one of Xene's own variables holds."""
    known = {"XENE_RUN": "run.id", "XENE_AGENT": "agent.name"}
    if variable.startswith("XENE_PARAM_"):
        return "write params.NAME"
    return f"write {known[variable]}" if variable in known else ""
