"""Reading and applying a repository of N workflows, as whole processes: cold, and unchanged with a warm cache.

The floor beside it is the same number of files split into YAML events by the C parser, and nothing else done. Then
the same with connectors, outputs and `when` on every task, and one workflow of 100, 500 and 2,000 such tasks.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
import tempfile
import time

from bench.timing import XENE, Contender, race, table

WORKFLOW = """\
# yaml-language-server: $schema=../schemas/workflow.schema.json
apiVersion: xene/v1
kind: Workflow
metadata:
  name: workflow-{n}
  labels: {{team: web, tier: 1}}
description: Builds part {n}
spec:
  env: {{LANG: C.UTF-8}}
  pipelines:
    build:
      params:
        level: {{type: string, enum: [quick, full], default: quick}}
      placement: {{size: 1}}
      tasks:
        fetch:
          outputs: [version]
          steps:
            - name: clone
              run: |
                git clone --depth 1 "$REPO" src
                echo "version=$(cat src/VERSION)" >> "$XENE_OUTPUT"
              env: {{REPO: "https://git.example.com/part-{n}.git"}}
              timeout: 5m
        test:
          needs: [fetch]
          steps:
            - name: test
              exec: [make, test]
              workDir: src
              env:
                VERSION: ${{{{ tasks.fetch.outputs.version }}}}
"""
CONNECTED = """\
# yaml-language-server: $schema=../schemas/workflow.schema.json
apiVersion: xene/v1
kind: Workflow
metadata:
  name: workflow-{n}
  labels: {{team: web, tier: 1}}
description: Builds part {n}
spec:
  env: {{LANG: C.UTF-8}}
  pipelines:
    build:
      params:
        level: {{type: string, enum: [quick, full], default: quick}}
      placement: {{size: 1}}
      tasks:
        fetch:
          outputs: [version, files]
          when: params.level == 'full' or env.LANG != 'part-{n}'
          steps:
            - name: clone
              run: |
                git clone --depth 1 "$REPO" src
                echo "version=$(cat src/VERSION)" >> "$XENE_OUTPUT"
              env: {{REPO: "https://git.example.com/part-{n}.git"}}
              timeout: 5m
        test:
          needs:
            - {{task: fetch, on: success, when: int(tasks.fetch.outputs.files) > {n}}}
          outputs: [failures]
          when: tasks.fetch.outputs.version != '{n}'
          steps:
            - name: test
              exec: [make, test, "${{{{ tasks.fetch.outputs.files }}}}"]
              workDir: src
              env:
                VERSION: ${{{{ tasks.fetch.outputs.version }}}}
        ship:
          needs: [fetch, {{task: test, on: [success, error], when: tasks.test.outcome != 'skipped {n}'}}]
          outputs: [url]
          when: tasks.fetch.outputs.version not in ['{n}', ''] and params.level == 'full'
          steps:
            - name: ship
              run: ./ship.sh
              env:
                TAG: ${{{{ params.level + '-' + tasks.fetch.outputs.version }}}}
"""
DAG_HEAD = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: dag}
spec:
  pipelines:
    build:
      tasks:
        t0: {outputs: [v], steps: [{name: go, run: make}]}
"""
DAG_TASK = """\
        t{n}:
          needs: [{{task: t{a}, when: tasks.t{a}.outputs.v != '{n}'}}, {{task: t{b}, on: any}}]
          outputs: [v]
          when: tasks.t{a}.outputs.v != '' and tasks.t0.outcome == 'success'
          steps: [{{name: go, run: make, env: {{V: "${{{{ tasks.t{b}.outputs.v }}}}"}}}}]
"""
EVENTS = """
import os, sys
from _ruamel_yaml import CParser
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            next_event = CParser(file.read()).get_event
            while next_event() is not None:
                pass
"""


def lay_out(root: str, count: int, text: str = WORKFLOW) -> None:
    """Write `count` workflows, a hundred a directory, old enough for the cache to trust them."""
    an_hour_ago = time.time() - 3600
    for n in range(count):
        folder = os.path.join(root, f"part-{n // 100}")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"workflow-{n}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.format(n=n))
        os.utime(path, (an_hour_ago, an_hour_ago))


def _row(count: int) -> list[Contender]:
    """Floor, validate cold and unchanged, apply cold and unchanged; `count` workflows on the embedded agent."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        root, home, cache = (os.path.join(place, name) for name in ("manifests", "home", "cache"))
        os.makedirs(root)
        lay_out(root, count)
        time.sleep(1.1)  # ctime cannot be set: a file younger than a second is never trusted by its stat
        env = {"XENE_HOME": home, "XDG_CACHE_HOME": cache}
        stack.callback(stop_daemons, home)

        def forget() -> None:
            stop_daemons(home)
            shutil.rmtree(cache, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)

        apply = [*XENE, "apply", "-q", root]
        name = f"{count:,} workflows"
        cold = [
            Contender(f"{name}: C parser's events (floor)", [sys.executable, "-c", EVENTS, root]),
            Contender(f"{name}: validate, cold", [*XENE, "validate", "-q", root], env, forget),
            Contender(f"{name}: apply, cold", apply, env, forget),
        ]
        race(cold, runs=3)
        warm = [
            Contender(f"{name}: validate, unchanged", [*XENE, "validate", "-q", root], env),
            Contender(f"{name}: apply, unchanged", apply, env),
        ]
        race(warm, runs=5)
        return cold + warm


def _connected(count: int) -> list[Contender]:
    """Floor, validate and apply cold, of workflows with connectors, outputs and `when` on every task."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        root, home, cache = (os.path.join(place, name) for name in ("manifests", "home", "cache"))
        os.makedirs(root)
        lay_out(root, count, CONNECTED)
        env = {"XENE_HOME": home, "XDG_CACHE_HOME": cache}
        stack.callback(stop_daemons, home)

        def forget() -> None:
            stop_daemons(home)
            shutil.rmtree(cache, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)

        name = f"{count:,} connected workflows"
        rows = [
            Contender(f"{name}: C parser's events (floor)", [sys.executable, "-c", EVENTS, root]),
            Contender(f"{name}: validate, cold", [*XENE, "validate", "-q", root], env, forget),
            Contender(f"{name}: apply, cold", [*XENE, "apply", "-q", root], env, forget),
        ]
        race(rows, runs=3)
        return rows


def dag(count: int) -> str:
    """A workflow of `count` tasks, each with two connectors, an output, a `when` and a template."""
    tasks = [DAG_TASK.format(n=n, a=n - 1, b=n // 2 if n > 2 else 0) for n in range(2, count)]
    return DAG_HEAD + DAG_TASK.replace(", {{task: t{b}, on: any}}", "").format(n=1, a=0, b=0) + "".join(tasks)


def _dags() -> list[Contender]:
    """validate, of one workflow of more and more tasks; a file alone is never read from the cache."""
    with tempfile.TemporaryDirectory() as place:
        rows = []
        for count in (100, 500, 2000):
            path = os.path.join(place, f"dag-{count}.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(dag(count))
            rows.append(Contender(f"validate of {count:,} connected tasks", [*XENE, "validate", "-q", path]))
        race(rows, runs=3)
        return rows


def stop_daemons(home: str) -> None:
    """End the agents below `home`."""
    for path in glob.glob(f"{home}/**/daemon.pid", recursive=True):
        with open(path) as file:
            os.kill(int(file.read().split()[0]), 15)
        while os.path.exists(path):
            time.sleep(0.01)


def report() -> str:
    """The table as Markdown."""
    rows = [one for count in (1000, 5000) for one in _row(count)]
    parts = [
        table("Manifests", "apply of 1,000 cold 2 s, of 5,000 unchanged 0.6 s", rows),
        table("Manifests with connectors, outputs and `when`", "apply of 1,000 cold 4 s", _connected(1000)),
        table("One workflow of many tasks", "validate of 2,000 tasks 1 s", _dags()),
    ]
    return "\n".join(parts)
