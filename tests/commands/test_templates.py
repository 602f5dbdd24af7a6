"""Task templates through the commands: what `diff` shows, what the state gives, what `run FILE` does."""

from __future__ import annotations

import re

from tests.commands.terminal import ROOT, Terminal

TEMPLATE = """\
apiVersion: xene/v1
kind: TaskTemplate
metadata: {name: greet, labels: {team: web}}
description: Greets
spec:
  params: {who: {type: string, default: world}}
  outputs: [said]
  task:
    steps:
      - name: say
        run: echo "Hi, $WHO"; echo "said=$WHO" >> "$XENE_OUTPUT"
        env: {WHO: "${{ params.who }}"}
"""
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  pipelines:
    hall:
      params: {guest: {type: string, default: Ada}}
      tasks:
        one: {template: greet, with: {who: "${{ params.guest }}"}}
        two: {template: greet, needs: [one], with: {who: "${{ tasks.one.outputs.said }} again"}}
"""


def test_from_apply_to_a_changed_template(xene: Terminal) -> None:
    ops = xene.cwd / "ops"
    (ops / "templates").mkdir(parents=True)
    (ops / "xene.yaml").write_text("name: ops\n")
    (ops / "shop.yaml").write_text(WORKFLOW)
    template = ops / "templates" / "greet.yaml"
    template.write_text(TEMPLATE)
    assert "1 workflow, 1 task template in 2 files" in xene("validate", "ops", code=0).err
    xene("apply", "ops", code=0)
    run = xene("run", "shop", "-p", "guest=Eve", "--wait", "-o", "json", code=0).json[0]
    assert run["tasks"]["two"]["outputs"] == {"said": "Eve again"}

    (row,) = xene("get", "templates", "-o", "json", code=0).json
    assert {"name": "greet", "source": "ops"}.items() <= row.items()
    assert row["spec"]["outputs"] == ["said"] and row["revision"]
    assert xene("get", "tpl", "greet", "-o", "json", code=0).json == row
    assert xene("get", "template", "-l", "team=ops", "-o", "json", code=0).json == []
    assert xene("get", "templates", "-o", "name", code=0).out == "template/greet\n"
    shown = xene("describe", "template", "greet", code=0).out
    assert "Greets" in shown and "who: string, default 'world'" in shown and "Created" in shown
    xene("get", "template", "ghost", code=4)

    template.write_text(TEMPLATE.replace("Hi", "Hello"))
    told = xene("diff", "ops", code=1)
    assert "~ TaskTemplate greet" in told.out and "spec.pipelines.hall.tasks.two.steps[say].run" in told.out
    assert "warning" not in told.err
    alone = xene("apply", str(template), code=0)
    assert "keep the old steps until they are applied again" in alone.err
    assert "1 changed" in alone.out and "Workflow" not in alone.out
    assert xene("diff", "ops", code=1).out.count("~ ") == 3  # the workflow, and its two tasks
    xene("apply", "ops", code=0)
    xene("diff", "ops", code=0)


def test_a_workflow_takes_what_it_lacks_from_the_state(xene: Terminal) -> None:
    for name, text in (("greet", TEMPLATE), ("shop", WORKFLOW)):
        (xene.cwd / f"{name}.yaml").write_text(text)
    assert "there is no TaskTemplate named 'greet'" in xene("validate", "shop.yaml", code=3).out
    assert "no problems" in xene("validate", "shop.yaml", "greet.yaml", code=0).err
    xene("diff", "shop.yaml", code=3)
    xene("apply", "greet.yaml", "--source", "a", code=0)
    assert "+ Workflow shop" in xene("diff", "shop.yaml", "--source", "a", code=1).out
    xene("apply", "shop.yaml", "--source", "a", code=0)
    assert "Hi, Ada again" in xene("run", "shop", "--follow", code=0).err


def test_a_file_with_its_templates_is_run_on_the_spot(xene: Terminal) -> None:
    (xene.cwd / "both.yaml").write_text(TEMPLATE + "---\n" + WORKFLOW)
    ended = xene("run", "both.yaml", "-p", "guest=Bo", code=0)
    assert "one/say | Hi, Bo\n" in ended.err and "two/say | Hi, Bo again\n" in ended.err
    (xene.cwd / "alone.yaml").write_text(WORKFLOW)
    assert "there is no TaskTemplate named 'greet'" in xene("run", "alone.yaml", code=3).err
    assert "two" in xene("graph", "both.yaml", code=0).out


def test_the_schema_and_its_explanation(xene: Terminal) -> None:
    assert xene("schema", "TaskTemplate", code=0).json["title"] == "TaskTemplate"
    assert "params" in xene("explain", "tasktemplate.spec", code=0).out
    assert "<list of step>" in xene("explain", "tasktemplate.spec.task.steps", code=0).out


def test_the_example(xene: Terminal) -> None:
    path = str(ROOT / "examples" / "workflows" / "reuse.yaml")
    run = xene("run", path, "-p", "release=1.2", "-q", "-o", "json", code=0).json[0]
    outputs = {name: run["tasks"][name]["outputs"] for name in ("docs", "logs", "all")}
    assert {name: each["file"] for name, each in outputs.items()} == {
        name: f"{name}.tar.gz" for name in outputs
    }
    assert int(outputs["docs"]["bytes"]) > int(outputs["logs"]["bytes"])


def test_the_page_of_the_docs(xene: Terminal) -> None:
    page = (ROOT / "docs" / "task-templates.md").read_text()
    (xene.cwd / "hall.yaml").write_text(
        re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    )
    told = xene("run", "hall.yaml", code=0).err
    assert "first/keep | Hello, Ada\n" in told
    assert "second/keep | Goodbye, you who heard 'Hello, Ada'\n" in told
