"""The codes of all problems, with a sentence each: the one list that messages, tests and docs share.

A code is part of what users and tools rely on: it is never renamed. Data only.
"""

from __future__ import annotations

CODES = {
    # reading a file
    "not-a-file": "A manifest is no plain file (but a device, a pipe, a dead link), or cannot be read.",
    "link-out": "A link leads out of the root of the repository.",
    "too-large": "A file, or what is in it, is larger than Xene reads.",
    "too-deep": "Mappings and lists are nested deeper than Xene reads.",
    "too-many-aliases": "Aliases would blow the file up to many times its size.",
    "not-utf8": "The file is not UTF-8.",
    "control-character": "The file holds NUL, an escape or another control character.",
    "bad-ignore": "A line of .xeneignore is no gitignore pattern.",
    # YAML
    "yaml-syntax": "The text is not YAML.",
    "duplicate-key": "A key stands twice in one mapping.",
    "unsupported-tag": "A YAML tag other than YAML's own (!!str, !!int, !!map and so on).",
    "merge-key": "The merge key << is not part of YAML 1.2 and is not read.",
    "unknown-alias": "An alias has no anchor before it, or is inside its own anchor.",
    "quote-it": "A text that YAML would change or lose: it wants quotes.",
    # the schema
    "unknown-kind": "No such kind of object, or no such apiVersion.",
    "unknown-key": "No such key here.",
    "missing-key": "A key that must be here is not.",
    "wrong-type": "The value is of another type than is wanted here.",
    "wrong-value": "The value is of the right type, but not one that is allowed here.",
    "bad-name": "A name that breaks the rule for names of this sort.",
    "bad-duration": "Not a duration such as 90s or 1h30m.",
    "bad-pattern": "A param's pattern is no RE2 pattern, or its default or a value of its enum does not match it.",
    "bad-path": "A directory or a pattern of files that is not inside the workspace.",
    # meaning
    "duplicate-object": "Two objects of one kind have the same name.",
    "duplicate-name": "Two steps of a task, tasks or artifacts of a pipeline have the same name.",
    "unknown-task": "A task needs a task that the pipeline does not have.",
    "unknown-pipeline": "A pipeline needs a pipeline that the workflow does not have.",
    "unknown-artifact": "A connector names an artifact that is not kept there.",
    "cycle": "Tasks or pipelines need each other in a circle.",
    "unknown-context": "A task names a context that the pipeline does not declare.",
    "unknown-param": "An expression, or a `with`, names a param that pipeline or template do not declare.",
    "unknown-output": "An expression names an output that the task does not declare, or cannot have by then.",
    "unknown-reference": "An expression names something that does not exist, or is not in reach there.",
    "not-upstream": "An expression names a task or a step that need not have ended by then.",
    "unknown-trigger": "A pipeline names a trigger that the workflow does not have.",
    "unknown-zone": "There is no time zone of this name.",
    "bad-schedule": "Not a cron schedule of 5 fields, or one that is never due.",
    "param-clash": "Two params would have the same environment variable.",
    "env-clash": "A variable is set both by `env` and by `secrets` of a pipeline.",
    "pasted-into-script": "A template inside a script: data would become code.",
    "bad-expression": "An expression that cannot be read.",
    "bad-type": "A part of an expression is of a type that does not go there.",
    "unknown-function": "An expression calls a function that does not exist.",
    "bad-template": "A template that cannot be read, or stands where none is allowed.",
    "unresolved-reference": "An object that is referred to is found neither in the repository nor in the state.",
    "too-many-problems": "The file has more problems than are listed.",
}
