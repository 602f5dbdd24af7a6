"""What the names in an expression stand for at one place: their types, or why they cannot stand there. Pure.

Called by `templates`, which hands it to `expression_types.infer`. A name that is not there is told with what was
probably meant; keys that say which task or param is meant must be written out, since nothing else can be checked.
"""

from __future__ import annotations

from typing import Callable, Mapping

from xene.engine.mismatch import ANY, LIST, OBJECT, TEXT, named, shown
from xene.engine.tree import Literal, Name, Node
from xene.manifest import later
from xene.manifest.expression_types import Fault
from xene.manifest.problems import closest, did_you_mean, listed, quoted
from xene.manifest.reach import Reach, Types
from xene.manifest.typos import slip_of

_FOREIGN = {"needs": "tasks", "jobs": "tasks", "inputs": "params", "parameters": "params", "vars": "env"}
_UNKNOWN = "unknown-reference"


class Names:
    """Gives the type of a name, or a fault. `more` gathers what else is wrong with a name that has a fault."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.more: list[Fault] = []

    def __call__(self, name: Name) -> str | Fault:
        rule = _ROOTS.get(name.root)
        if rule is not None:
            return rule(self, name)
        if name.root in later.REFERENCES:
            return Fault(name.offset, f"{quoted(name.root)} in expressions {later.NOT_YET}", "", "not-yet")
        return _nothing(name, self.reach)

    # -- one rule for each first word

    def param(self, name: Name) -> str | Fault:
        """`params.NAME`."""
        reach = self.reach
        if not name.keys:
            return OBJECT
        key = name.keys[0]
        if not isinstance(key, str):
            return _not_written_out(name, key, "params.NAME")
        if key in reach.params:
            return _behind(reach.params[key], name, 1)
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
                return Fault(name.offset, "secrets are not in reach of expressions", hint, _UNKNOWN)
            if key.startswith("XENE_"):
                message = f"{quoted('env.' + key)} is there only for the programs of a step"
                return Fault(name.offset, message, _instead_of(key), _UNKNOWN)
            meant = slip_of(key, declared)
            if meant is not None:
                message = f"nothing around here declares the variable {quoted(key)}"
                return Fault(name.offset, message, f"did you mean {quoted(meant)}?", _UNKNOWN)
        return _behind(TEXT, name, 1)

    def task(self, name: Name) -> str | Fault:
        """`tasks.TASK.outputs.NAME` and `tasks.TASK.outcome`."""
        reach, tasks = self.reach, self.reach.tasks
        if tasks is None:
            hint = "use it in the env of the task or the step that needs it"
            return Fault(name.offset, f"{reach.whose} cannot use outputs of tasks", hint, _UNKNOWN)
        keys = _written(name)
        if isinstance(keys, Fault):
            return keys
        if not keys or keys[0] not in tasks.outputs:
            return self._no_task(name, keys[0] if keys else "")
        if keys[1:2] == ("outcome",):
            return self._not_ended(name, keys[0], "outcome is known") or _behind(TEXT, name, 2)
        if keys[1:2] != ("outputs",) or len(keys) < 3:
            return Fault(name.offset, *_form_of_task(name, keys, tasks.outputs[keys[0]]), _UNKNOWN)
        early = self._not_ended(name, keys[0], "outputs are there")
        if keys[2] not in tasks.outputs[keys[0]]:
            if early is not None and keys[0] != reach.task:
                self.more.append(early)
            return _undeclared(name, f"the task {quoted(keys[0])}", keys[2], tasks.outputs[keys[0]])
        if early is None and keys[0] in reach.failed:
            return _never(name, keys[0], reach.task)
        return early or _behind(LIST if keys[0] in tasks.lists else TEXT, name, 3)

    def _no_task(self, name: Name, task: str) -> Fault:
        tasks = self.reach.tasks
        assert tasks is not None
        if not task:
            return Fault(name.offset, "an output is named like tasks.TASK.outputs.NAME", "", _UNKNOWN)
        hint = did_you_mean(task, [other for other in tasks.outputs if other != self.reach.task])
        return Fault(name.offset, f"there is no task {quoted(task)} in this pipeline", hint, "unknown-task")

    def _not_ended(self, name: Name, task: str, what: str) -> Fault | None:
        """Why `task` need not have ended when this place is worked out; None if it has."""
        reach, tasks = self.reach, self.reach.tasks
        assert tasks is not None
        upstream = tasks.upstream
        if task == reach.task:
            hint = (
                "use steps.STEP.outputs.NAME of an earlier step"
                if reach.steps is not None
                else "name a task that it needs"
            )
            message = f"a task's {what} only when it has ended"
            return Fault(name.offset, message, hint, "not-upstream")
        at = reach.via if reach.via and reach.task in upstream.loose else reach.task
        if task == at or not upstream.known(at) or upstream.holds(at, task):
            return None
        message = f"the task {quoted(task)} need not have ended before {quoted(reach.task)} starts"
        return Fault(name.offset, *self._way_out(task, message), "not-upstream")

    def _way_out(self, task: str, message: str) -> tuple[str, str]:
        """The message, or a better one, and a hint: what to change that `task` has ended by then."""
        reach, tasks = self.reach, self.reach.tasks
        assert tasks is not None
        if task in tasks.last and not reach.in_finally:
            return f"{quoted(task)} is a task of 'finally', which starts when all others have ended", ""
        if tasks.upstream.known(task) and tasks.upstream.holds(task, reach.task):
            return f"the task {quoted(task)} starts only when {quoted(reach.task)} has ended", ""
        if reach.task in tasks.upstream.loose:
            sure = f"{quoted(reach.via)} and what is" if reach.via else "what is"
            whom = "it" if reach.via else "all that it needs"
            return message, f"with 'join: any' only {sure} upstream of {whom} has surely ended"
        return message, f"add {quoted(task)} to the 'needs' of {quoted(reach.task)}"

    def step(self, name: Name) -> str | Fault:
        """`steps.STEP.outputs.NAME`."""
        reach = self.reach
        if reach.steps is None:
            hint = "they are in reach of later steps of the same task"
            return Fault(name.offset, f"{reach.whose} cannot use outputs of steps", hint, _UNKNOWN)
        keys = _written(name)
        if isinstance(keys, Fault):
            return keys
        if len(keys) < 3 or keys[1] != "outputs":
            return Fault(
                name.offset, "an output of a step is named like steps.STEP.outputs.NAME", "", _UNKNOWN
            )
        if keys[0] not in reach.steps:
            hint = did_you_mean(keys[0], [step for step, at in reach.steps.items() if at < reach.at])
            return Fault(name.offset, f"this task has no step {quoted(keys[0])}", hint, _UNKNOWN)
        if reach.steps[keys[0]] >= reach.at:
            message = f"the step {quoted(keys[0])} has not ended by then: only earlier steps are in reach"
            return Fault(name.offset, message, "", "not-upstream")
        if keys[2] not in reach.declared:
            return _undeclared(name, f"the task {quoted(reach.task)}", keys[2], reach.declared)
        return _behind(TEXT, name, 3)

    def axis(self, name: Name) -> str | Fault:
        """`matrix.KEY`."""
        matrix = self.reach.matrix
        if matrix is None:
            return Fault(name.offset, "there is no matrix here", self.reach.no_matrix, _UNKNOWN)
        if not name.keys:
            return OBJECT
        key = name.keys[0]
        if not isinstance(key, str):
            return _not_written_out(name, key, "matrix.KEY")
        if key not in matrix:
            message = f"the matrix has no axis {quoted(key)}"
            return Fault(name.offset, message, did_you_mean(key, matrix), _UNKNOWN)
        return _behind(matrix[key], name, 1)

    def run(self, name: Name) -> str | Fault:
        """`run.id` and `run.outcome`."""
        if name.keys[:1] == ("outcome",) and not self.reach.in_finally:
            message = "'run.outcome' is there only in 'finally', when all other tasks have ended"
            return Fault(name.offset, message, "", _UNKNOWN)
        known = {"id": TEXT, "outcome": TEXT} if self.reach.in_finally else {"id": TEXT}
        return _fixed(name, known)

    def agent(self, name: Name) -> str | Fault:
        """`agent.name` and `agent.labels.KEY`."""
        if name.keys[:1] == ("labels",):
            return OBJECT if len(name.keys) == 1 else _behind(TEXT, name, 2)
        return _fixed(name, {"name": TEXT, "labels.KEY": TEXT})

    def secret(self, name: Name) -> str | Fault:
        """`secrets.NAME`, which is refused."""
        hint = "name it in the pipeline's 'secrets' and read the environment variable"
        return Fault(name.offset, "secrets are not in reach of expressions", hint, _UNKNOWN)


_ROOTS: Mapping[str, Callable[[Names, Name], str | Fault]] = {
    "params": Names.param,
    "env": Names.variable,
    "tasks": Names.task,
    "steps": Names.step,
    "matrix": Names.axis,
    "run": Names.run,
    "agent": Names.agent,
    "secrets": Names.secret,
}
ROOTS = tuple(root for root in _ROOTS if root != "secrets")


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
    return Fault(name.offset, f"there is no {quoted(written)}", hint, _UNKNOWN)


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


def _written(name: Name) -> tuple[str, ...] | Fault:
    """The keys of `tasks` or `steps` that say what is meant; those behind them may be worked out."""
    needed = name.keys[:2] if name.keys[1:2] == ("outcome",) else name.keys[:3]
    for key in needed:
        if not isinstance(key, str):
            return _not_written_out(name, key, f"{name.root}.{name.root[:-1].upper()}.outputs.NAME")
    return tuple(key for key in needed if isinstance(key, str))


def _not_written_out(name: Name, key: Node, form: str) -> Fault:
    what = "a number" if isinstance(key, Literal) else "worked out"
    message = f"a key of {quoted(name.root)} cannot be {what}: what it names is checked before anything runs"
    return Fault(key.offset, message, f"write it out, like {form}", _UNKNOWN)


def _behind(type_: str, name: Name, used: int) -> str | Fault:
    """The type of what the keys behind the first `used` ones lead to, from something of `type_`."""
    for at, key in enumerate(name.keys[used:], used):
        if type_ == LIST and not isinstance(key, str):
            type_ = TEXT if name.root == "tasks" else ANY
        elif type_ == LIST:
            message = f"{quoted(shown(_cut(name, at)))} wants a number as its key, not text"
            hint = (
                "a task with a matrix gives a list: one item for each instance"
                if name.root == "tasks"
                else ""
            )
            return Fault(name.offset, message, hint)
        elif type_ != ANY:
            inner = shown(_cut(name, at))
            hint = f"write fromJson({inner})" if type_ == TEXT else "only objects and lists have keys"
            return Fault(name.offset, f"{quoted(inner)} is {named(type_)} and has no keys", hint)
    return type_


def _cut(name: Name, keys: int) -> Name:
    return Name(name.root, name.keys[:keys], name.offset)


def _fixed(name: Name, known: Types) -> str | Fault:
    """The type of a name whose keys are the same in all manifests."""
    key = name.keys[0] if name.keys else None
    if isinstance(key, str) and key in known:
        return _behind(known[key], name, 1)
    options = [f"{name.root}.{option}" for option in known]
    return Fault(
        name.offset, f"there is no {quoted(shown(name))}", did_you_mean(shown(name), options), _UNKNOWN
    )


def _form_of_task(name: Name, keys: tuple[str, ...], declared: tuple[str, ...]) -> tuple[str, str]:
    """Message and hint where neither an output nor the outcome of a task is named."""
    if len(keys) == 2 and keys[1] in declared:
        written = f"tasks.{keys[0]}.outputs.{keys[1]}"
        return "an output is named like tasks.TASK.outputs.NAME", f"did you mean {quoted(written)}?"
    if len(keys) == 2 and keys[1] != "outputs":
        options = [f"tasks.{keys[0]}.{key}" for key in ("outcome", "outputs.NAME")]
        return f"there is no {quoted(shown(name))}", did_you_mean(shown(name), options)
    return "an output is named like tasks.TASK.outputs.NAME", ""


def _undeclared(name: Name, whose: str, output: str, declared: tuple[str, ...]) -> Fault:
    hint = did_you_mean(output, declared, f"it declares {listed(declared)}" if declared else "")
    message = f"{whose} declares no output {quoted(output)}"
    return Fault(name.offset, message, hint or f"declare it: outputs: [{output}]", "unknown-output")


def _never(name: Name, needed: str, task: str) -> Fault:
    message = (
        f"{quoted(task)} starts only when {quoted(needed)} has not succeeded, and then it has no outputs"
    )
    return Fault(name.offset, message, f"add success to the 'on' of {quoted(needed)}", "unknown-output")


def _instead_of(variable: str) -> str:
    """How an expression says what one of Xene's own variables holds."""
    known = {"XENE_RUN": "run.id", "XENE_AGENT": "agent.name"}
    if variable.startswith("XENE_PARAM_"):
        return "write params.NAME"
    return f"write {known[variable]}" if variable in known else ""
