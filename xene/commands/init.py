"""`xene init`: lays out a repository of manifests. It never overwrites a file."""

from __future__ import annotations

import json
import os
import re
from typing import Annotated, Any, Optional

import typer

from xene.commands.call import Call
from xene.commands.text import plural
from xene.errors import Usage
from xene.model import ids

HELLO = """\
# yaml-language-server: $schema=../.xene/schemas/workflow.schema.json
#
# A workflow holds pipelines; a pipeline is placed on one agent and is a graph of tasks; a task is a list
# of steps. Try it:   xene apply . && xene run hello --follow
apiVersion: xene/v1
kind: Workflow
metadata:
  name: hello
description: Says hello, to see that everything works
spec:
  pipelines:
    greet:
      params:
        who: {type: string, default: world}      # xene run hello -p who=you
      tasks:
        look:
          outputs: [host]
          steps:
            - name: where
              run: |
                echo "host=$(uname -n)" >> "$XENE_OUTPUT"
        greet:
          needs: [look]                          # starts once 'look' has succeeded
          steps:
            - name: say
              env:
                WHO: ${{ params.who }}           # values reach a script through its environment
                HOST: ${{ tasks.look.outputs.host }}
              run: |
                echo "Hello, $WHO, from $HOST!"
"""

AGENT_SAMPLE = """\
# An agent is a host that runs pipelines, reached over plain SSH. Without any agent, everything runs on this
# machine, on the embedded agent `local`. To add a host: copy this file to NAME.yaml, take the '# ' away,
# then `xene apply .`; if its key is not in your known_hosts yet, `xene agent trust NAME`.
#
# # yaml-language-server: $schema=../.xene/schemas/agent.schema.json
# apiVersion: xene/v1
# kind: Agent
# metadata:
#   name: build-1
#   labels: {os: linux}
# spec:
#   ssh:
#     host: build-1.example.com        # or a Host alias of ~/.ssh/config
#   capacity: 4                        # how much runs there at once; default: its CPUs
"""

IGNORE = """\
# What xene does not read, in the syntax of .gitignore. (Names that start with a dot are never read.)
"""

KINDS = ("Workflow", "TaskTemplate", "Agent", "Secret", "Xene")


def init(
    call: Call,
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Where; made if it is not there. Default: here.")
    ] = ".",
    name: Annotated[
        Optional[str], typer.Option("--name", metavar="NAME", help="The name of the source; default: DIR's.")
    ] = None,
) -> int:
    """Lay out a repository of manifests: xene.yaml, a hello workflow, agents/, editor settings.

    Files that are there already are left alone.
    """
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise Usage(f"{directory} is not a directory")
    source = name or source_name(os.path.basename(os.path.realpath(directory)))
    if not ids.is_name(source):
        raise Usage(f"'{source}' cannot name a source: {ids.NAME_RULE}")
    written = [path for path, text in files(source).items() if write_new(os.path.join(directory, path), text)]
    for path in written:
        call.say(f"wrote {os.path.join(directory, path)}")
    if not written:
        call.say(f"nothing to do: {directory} is laid out already")
        return 0
    call.say(f"{plural(len(written), 'file')} written")
    call.hint(f"xene apply {directory} && xene run hello --follow")
    return 0


def source_name(text: str) -> str:
    """A source's name made from a directory's."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[: ids.NAME_MAX].strip("-") or "manifests"


def files(source: str) -> dict[str, str]:
    """Every file of a new repository, by its path in it."""
    from xene.manifest import schema

    out = {
        "xene.yaml": source_manifest(source),
        "workflows/hello.yaml": HELLO,
        "agents/build-1.yaml.sample": AGENT_SAMPLE,
        ".xeneignore": IGNORE,
        ".vscode/settings.json": _pretty(editor_settings()),
    }
    for kind in KINDS:
        out[f".xene/schemas/{kind.lower()}.schema.json"] = _pretty(schema.read(kind))
    return out


def source_manifest(source: str) -> str:
    """The text of `xene.yaml`."""
    return (
        "# Names this source: whatever is applied from this directory belongs to it, and what has gone from\n"
        f"# it is removed by the next apply.\nname: {source}\n"
    )


def editor_settings() -> dict[str, Any]:
    """VS Code with the YAML extension: which schema belongs to which file."""
    return {
        "yaml.schemas": {
            ".xene/schemas/workflow.schema.json": ["workflows/**/*.yaml", "workflows/**/*.yml"],
            ".xene/schemas/agent.schema.json": ["agents/**/*.yaml", "agents/**/*.yml"],
            ".xene/schemas/secret.schema.json": ["secrets/**/*.yaml", "secrets/**/*.yml"],
            ".xene/schemas/tasktemplate.schema.json": ["templates/**/*.yaml", "templates/**/*.yml"],
            ".xene/schemas/xene.schema.json": ["xene.yaml"],
        }
    }


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_new(path: str, text: str) -> bool:
    """Write `path` whole, or not at all if something is there; whether it was written."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    scratch = f"{path}.{os.getpid()}.new"
    with open(scratch, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        os.link(scratch, path)  # unlike a rename, this never replaces
    except FileExistsError:
        return False
    finally:
        os.unlink(scratch)
    return True
