"""Copy into schemas/tasktemplate.schema.json what it shares with schemas/workflow.schema.json.

    .venv/bin/python scripts/share_schemas.py

Each schema stands alone, since editors read one file; a test compares what both have.
"""

from __future__ import annotations

import json
import pathlib

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent / "schemas"
OF_USERS = (
    "needs",
    "join",
    "matrix",
    "outputs",
    "template",
    "with",
)  # keys that a template's task does not have
OWN = ("task", "param")  # what is described in words of its own


def main() -> None:
    path = SCHEMAS / "tasktemplate.schema.json"
    workflow = json.loads((SCHEMAS / "workflow.schema.json").read_text())["$defs"]
    template = json.loads(path.read_text())
    shared = template["$defs"]
    for name in shared:
        if name not in OWN:
            shared[name] = workflow[name]
    shared["param"] = {**workflow["param"], "description": shared["param"]["description"]}
    keys = {key: place for key, place in workflow["task"]["properties"].items() if key not in OF_USERS}
    steps = {**keys["steps"], "description": shared["task"]["properties"]["steps"]["description"]}
    shared["task"]["properties"] = {**keys, "steps": steps}
    path.write_text(json.dumps(template, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
