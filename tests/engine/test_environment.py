"""What a step is given: the layers, the order, and nothing else."""

from __future__ import annotations

import pytest

from tests.agent.probe import make_order
from xene.engine.environment import Places, command
from xene.engine.expressions import ExpressionError
from xene.engine.progress import RunProgress, begin
from xene.model import events

PLACES = Places("/w", "/o", "/a")


def begun(pipeline: dict, **more: object) -> RunProgress:
    order = make_order(pipeline, **more)
    return begin(events.run_accepted(0.0, order.id, order.to_json()))


def rendered(run: RunProgress, **user: str):
    task = run.ordered()[0]
    return command(run, task, task.steps[0], PLACES, user)


def test_the_layers_override_in_the_order_of_the_spec() -> None:
    pipeline = {
        "env": {"C": "pipeline", "D": "pipeline", "E": "pipeline", "F": "pipeline"},
        "contexts": {"x": {"env": {"D": "context", "E": "context", "F": "context"}}},
        "tasks": {
            "t": {
                "context": "x",
                "env": {"E": "task", "F": "task"},
                "steps": [{"name": "s", "exec": ["true"], "env": {"F": "step"}}],
            }
        },
    }
    run = begun(
        pipeline,
        agent_env={"A": "agent", "B": "agent", "PATH": "/agent"},
        workflow_env={"B": "workflow", "C": "workflow"},
    )
    env = rendered(run, PATH="/user", HOME="/home", SECRET="leak").env
    assert {name: env[name] for name in "ABCDEF"} == {
        "A": "agent",
        "B": "workflow",
        "C": "pipeline",
        "D": "context",
        "E": "task",
        "F": "step",
    }
    assert env["PATH"] == "/agent" and env["HOME"] == "/home"
    assert "SECRET" not in env


def test_params_become_variables_and_fill_templates() -> None:
    pipeline = {
        "params": {"dry-run": {"type": "boolean"}, "n": {"type": "integer"}},
        "tasks": {
            "t": {
                "steps": [
                    {
                        "name": "s",
                        "exec": ["echo", "${{ params.n }}", "a b;$(c)"],
                        "env": {"X": "n=${{ params.n }}"},
                        "workDir": "d/${{ params.n }}",
                    }
                ]
            }
        },
    }
    ready = rendered(begun(pipeline, params={"dry-run": True, "n": 7}))
    assert ready.env["XENE_PARAM_DRY_RUN"] == "true" and ready.env["XENE_PARAM_N"] == "7"
    assert ready.env["X"] == "n=7" and ready.work_dir == "d/7"
    assert ready.exec == ["echo", "7", "a b;$(c)"]


def test_an_output_that_is_not_there_is_an_error_of_the_expression() -> None:
    pipeline = {
        "tasks": {"t": {"steps": [{"name": "s", "exec": ["${{ tasks.t.outputs.gone }}"]}]}},
    }
    with pytest.raises(ExpressionError):
        rendered(begun(pipeline))
