"""What expressions and templates may name, place by place: the reach of each place of a workflow. Pure.

Called by `checks`, `tasks` and `triggers`, which hand a reach to `templates` with every place. What the agent
has in reach there while a run goes on is `engine/scope`; nothing that may be missing then is in reach here.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Iterable, Mapping, NamedTuple

from xene.engine.mismatch import ANY, BOOLEAN, NUMBER, TEXT
from xene.manifest.connectors import TASK, Need, may_succeed, needs_of
from xene.manifest.graph import Upstream
from xene.manifest.matrices import axes_of
from xene.manifest.plain import fields, items, text
from xene.model.workflow import DEFAULT_CONTEXT

Types = Mapping[str, str]  # from a name to its type, as `engine/mismatch` calls it

_PARAM_TYPES = {"string": TEXT, "integer": NUMBER, "number": NUMBER, "boolean": BOOLEAN}
_NO_MATRIX = "the steps and the env of a task with a 'matrix' have one"
_NOT_YET_EXPANDED = "the matrix is expanded after them: use it in the env of the task or of a step"


class Tasks(NamedTuple):
    """The tasks of a pipeline, those of `finally` too. `lists` are those whose outputs are lists: with a matrix."""

    outputs: Mapping[str, tuple[str, ...]]
    lists: frozenset[str]
    last: frozenset[str]
    upstream: Upstream


class Reach(NamedTuple):
    """What one place may name. `tasks` None: no outputs; `whose` says in words what place that is."""

    params: Types
    env: frozenset[str] = frozenset()  # what layers further out declare; the agent's own comes on top
    whose: str = ""
    shared_params: bool = False  # whether they are only those that every pipeline declares
    secrets: frozenset[str] = frozenset()  # environment variables of secrets
    tasks: Tasks | None = None
    task: str = ""  # where the place is
    via: str = ""  # of a connector: the task that it leads to
    failed: frozenset[str] = frozenset()  # tasks that surely have not succeeded, so that they have no outputs
    declared: tuple[str, ...] = ()  # outputs of `task`
    steps: Mapping[str, int] | None = None  # those of `task`, by number; None: not in reach here
    at: int = 0  # the number of the step where the place is
    matrix: Types | None = None
    no_matrix: str = _NO_MATRIX  # why there is none
    in_finally: bool = False
    notice: bool = False  # whether it is the template of a notice, which may name nothing else
    event: bool = False  # whether it is a webhook trigger, which may name nothing else


def param_types(pipeline: Any) -> Types:
    """The types of a pipeline's params."""
    params = fields(pipeline, "params")
    return {name: _PARAM_TYPES.get(text(param, "type") or "", ANY) for name, param in params.items()}


OF_WEBHOOK = Reach({}, whose="a webhook trigger", event=True)
OF_NOTICE = Reach({}, whose="the template of a notice", notice=True)


def of_workflow_env(pipelines: Iterable[Any]) -> Reach:
    """Of the workflow's env: params that every pipeline declares."""
    all_types = [param_types(pipeline) for pipeline in pipelines]
    shared = set(all_types[0]).intersection(*all_types[1:]) if all_types else set()
    types = {name: {each[name] for each in all_types} for name in shared}
    params = {name: found.pop() if len(found) == 1 else ANY for name, found in types.items()}
    return Reach(params, whose="the workflow's env", shared_params=True)


class Ground:
    """What one pipeline declares, for the reach of all places in it."""

    def __init__(self, pipeline: Any, workflow_env: frozenset[str], upstream: Upstream) -> None:
        self._pipeline = pipeline
        self._contexts = fields(pipeline, "contexts")
        self._upstream = upstream
        self._base = Reach(
            param_types(pipeline),
            workflow_env,
            whose="a pipeline's env",
            secrets=frozenset(fields(pipeline, "secrets")),
        )
        self._pipeline_env = workflow_env | frozenset(fields(pipeline, "env"))
        self._env_by_context: dict[str, frozenset[str]] = {}

    def of_env(self) -> Reach:
        """Of the pipeline's env."""
        return self._base

    def of_context(self) -> Reach:
        """Of the env of a context."""
        return self._base._replace(env=self._pipeline_env, whose="a context")

    def of_directory(self, context: Any) -> Reach:
        """Of the workDir of a context, which is worked out for each step."""
        return with_env(self.of_context(), context)

    def of_conditions(self, name: str, task: Any, in_finally: bool) -> Reach:
        """Of a task's `when`, approval and matrix, which come before the task."""
        no_matrix = _NOT_YET_EXPANDED if fields(task, "matrix") else _NO_MATRIX
        return self._base._replace(
            env=self._outside(task),
            whose="what is worked out before a task",
            tasks=self._tasks,
            task=name,
            failed=self._failed(name, needs_of(task, (), TASK)),
            no_matrix=no_matrix,
            in_finally=in_finally,
        )

    def of_connector(self, name: str, task: Any, need: Need, in_finally: bool) -> Reach:
        """Of a connector's `when`."""
        reach = self.of_conditions(name, task, in_finally)._replace(via=need.name)
        alone = name in self._upstream.loose
        return reach._replace(failed=frozenset(_unsuccessful([need]))) if alone else reach

    def of_task_env(self, name: str, task: Any, in_finally: bool) -> Reach:
        """Of a task's env."""
        outside = self.of_conditions(name, task, in_finally)
        return outside._replace(
            matrix=axes_of(task) if fields(task, "matrix") else None, whose="a task's env"
        )

    def of_steps(self, name: str, task: Any, in_finally: bool) -> Reach:
        """Of the env of a task's first step; in the others `at` is another."""
        reach = with_env(self.of_task_env(name, task, in_finally), task)
        steps: dict[str, int] = {}
        for at, step in enumerate(items(task, "steps")):
            steps.setdefault(text(step, "name") or "", at)
        return reach._replace(whose="a step", steps=steps, declared=outputs_of(task))

    def _failed(self, name: str, needs: list[Need]) -> frozenset[str]:
        """What a task needs in a way that rules out its success."""
        return frozenset(_unsuccessful(needs)) if name not in self._upstream.loose else frozenset()

    def _outside(self, task: Any) -> frozenset[str]:
        """What is declared outside the task: by workflow, pipeline and its context."""
        name = text(task, "context") or DEFAULT_CONTEXT
        if name not in self._env_by_context:
            own = frozenset(fields(self._contexts.get(name), "env"))
            self._env_by_context[name] = self._pipeline_env | own
        return self._env_by_context[name]

    @cached_property
    def _tasks(self) -> Tasks:
        last = fields(self._pipeline, "finally")
        both = {**last, **fields(self._pipeline, "tasks")}
        return Tasks(
            {name: outputs_of(task) for name, task in both.items()},
            frozenset(name for name, task in both.items() if fields(task, "matrix")),
            frozenset(last),
            self._upstream,
        )


def _unsuccessful(needs: Iterable[Need]) -> Iterable[str]:
    return (need.name for need in needs if need.body is not None and not may_succeed(need.body))


def outputs_of(task: Any) -> tuple[str, ...]:
    """The outputs that a task declares."""
    return tuple(output for output in items(task, "outputs") if isinstance(output, str))


def with_env(reach: Reach, holder: Any) -> Reach:
    """The reach of what comes behind the env of `holder`: its arguments and its directory."""
    own = frozenset(fields(holder, "env"))
    return reach._replace(env=reach.env | own) if own else reach
