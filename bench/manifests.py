"""Reading and applying a repository of N workflows, as whole processes: cold, and unchanged with a warm cache.

The floor beside it is the same number of files split into YAML events by the C parser, and nothing else done.
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


def lay_out(root: str, count: int) -> None:
    """Write `count` workflows, a hundred a directory, old enough for the cache to trust them."""
    an_hour_ago = time.time() - 3600
    for n in range(count):
        folder = os.path.join(root, f"part-{n // 100}")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"workflow-{n}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(WORKFLOW.format(n=n))
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
    return table("Manifests", "apply of 1,000 cold 2 s, of 5,000 unchanged 0.6 s", rows)
