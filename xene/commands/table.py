"""Every command of `xene`: its section of the help page, a summary, its module, the forms it prints. Data only.

Used by `cli` and `reference`. It imports no command: a module is loaded when its command is called.
"""

from __future__ import annotations

from xene.commands.call import FORMS
from xene.commands.parser import Branch, Table, Verb


def table() -> Table:
    """Every command, in the order of the help page."""
    write, run, see, agents, other = "Manifests", "Runs", "What there is", "Agents and control", "Other"
    plain = ("table", "json", "yaml")
    acted = ("table", "json", "yaml", "name")
    return {
        "init": Verb(write, "Lay out a repository of manifests", "init"),
        "validate": Verb(write, "Find every problem in manifests", "validate", plain),
        "diff": Verb(write, "Show what apply would do", "diff", acted),
        "apply": Verb(write, "Make the state match manifests", "apply", acted),
        "import": Branch(
            write,
            "Make manifests of what another scheduler has",
            {"crontab": Verb("Commands", "Print a crontab as manifests", "import_crontab")},
        ),
        "run": Verb(run, "Fire a workflow or pipeline, or run a file on the spot", "run", acted),
        "backfill": Verb(run, "Start runs for instants of a cron trigger that are over", "backfill", acted),
        "logs": Verb(run, "Show what the steps of a run said", "logs"),
        "artifacts": Verb(run, "List the artifacts of a run, or unpack them", "artifacts", plain),
        "wait": Verb(run, "Wait until a run has ended", "wait", acted),
        "cancel": Verb(run, "Stop a run, its 'finally' tasks run", "cancel", acted),
        "kill": Verb(run, "Stop a run at once", "kill", acted),
        "retry": Verb(run, "Have an ended run try again what failed", "retry", acted),
        "rerun": Verb(run, "Start a new run with the inputs of an earlier one", "rerun", acted),
        "approve": Verb(run, "Let a task start that waits for approval", "approve", acted),
        "reject": Verb(run, "Refuse a task that waits for approval", "reject", acted),
        "status": Verb(see, "Everything at a glance: pipelines, agents, what waits", "status", FORMS[:4]),
        "get": Verb(see, "List objects, or show one", "get", FORMS),
        "describe": Verb(see, "One object in full, its events, its last runs", "describe", plain),
        "why": Verb(see, "Why an object is in its state", "why", plain),
        "schedule": Verb(see, "List the instants ahead of cron triggers", "schedule", plain),
        "graph": Verb(see, "Draw a workflow: its pipelines, their tasks, how far they are", "graph"),
        "timeline": Verb(see, "Draw a run over time: tasks and attempts", "timeline", plain),
        "suspend": Verb(run, "Keep triggers from starting a workflow or pipeline", "suspend", acted),
        "resume": Verb(run, "Let triggers start it again; what passed stays skipped", "resume", acted),
        "cordon": Verb(agents, "Place nothing new on an agent", "cordon", acted),
        "uncordon": Verb(agents, "Let an agent take new pipelines again", "uncordon", acted),
        "drain": Verb(agents, "Move an agent's pipelines elsewhere, wait for its runs", "drain", acted),
        "agent": Branch(
            agents,
            "Trust or remove an agent",
            {
                "trust": Verb("Commands", "Accept the host key of an agent", "agent_trust", plain),
                "rm": Verb("Commands", "Remove an agent from the state", "agent_rm"),
            },
        ),
        "secret": Branch(
            agents,
            "Encrypt a secret for a manifest",
            {"seal": Verb("Commands", "Encrypt a value into a Secret manifest", "secret_seal")},
        ),
        "token": Branch(
            agents,
            "Make or take back a token of the HTTP API",
            {
                "create": Verb("Commands", "Make a token, and print it once", "token_create"),
                "rm": Verb("Commands", "Take a token back", "token_rm"),
            },
        ),
        "reconcile": Verb(agents, "One pass: compare wanted with observed, do what is missing", "reconcile"),
        "doctor": Verb(agents, "Look for what may go wrong, and what to do about it", "doctor", plain),
        "gc": Verb(other, "Free what nobody needs, here and on the hosts", "gc", plain),
        "backup": Verb(other, "Copy the state while others work on it", "backup", plain),
        "controller": Verb(agents, "The daemon that keeps a connection to every agent", "controller"),
        "schema": Verb(other, "Print the JSON schema of a kind of manifest", "schema"),
        "explain": Verb(other, "Explain a field of a manifest", "explain", plain),
        "version": Verb(other, "Print the version", "version", plain),
    }
