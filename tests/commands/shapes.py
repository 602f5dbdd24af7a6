"""Rows in the JSON shapes of SPEC 4, for the tests of rendering."""

from __future__ import annotations

from typing import Any

NOW = 1795401000.0  # 2026-11-23T02:30:00Z


def step(name: str = "say", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "phase": "NotExecuted",
        "reason": None,
        "message": None,
        "exitCode": None,
        "attempt": None,
        "startedAt": None,
        "finishedAt": None,
        **more,
    }


def task(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "phase": "NotExecuted",
        "reason": None,
        "message": None,
        "attempt": None,
        "startedAt": None,
        "finishedAt": None,
        "outputs": {},
        "attempts": [],
        "steps": list(steps) or [step()],
        **more,
    }


def run(**more: Any) -> dict[str, Any]:
    return {
        "id": "20261123-022900-k7q2m4xa",
        "workflow": "hello",
        "pipeline": "greet",
        "phase": "Running",
        "lastKnownPhase": "Running",
        "phaseSince": "2026-11-23T02:29:10.000Z",
        "reason": None,
        "message": None,
        "agent": "local",
        "trigger": "manual",
        "fire": "20261123-022900-aaaaaaaa",
        "slot": None,
        "params": {"who": "world"},
        "revision": "0123456789ab",
        "attempt": 1,
        "log": None,
        "createdAt": "2026-11-23T02:29:00.000Z",
        "startedAt": "2026-11-23T02:29:10.000Z",
        "finishedAt": None,
        "tasks": {"look": task(), "greet": task()},
        **more,
    }


def pipeline(**more: Any) -> dict[str, Any]:
    return {
        "workflow": "hello",
        "name": "greet",
        "phase": "Scheduled",
        "execution": "Success",
        "reason": None,
        "message": None,
        "agent": "local",
        "revision": "0123456789ab",
        "observedRevision": "0123456789ab",
        "suspended": False,
        "nextFire": None,
        "lastRun": {"id": "20261123-022900-k7q2m4xa", "phase": "Success"},
        **more,
    }


def agent(**more: Any) -> dict[str, Any]:
    return {
        "name": "build-1",
        "phase": "Ready",
        "reason": None,
        "message": None,
        "cordoned": False,
        "drained": False,
        "capacity": 4,
        "capacityUsed": 1,
        "pipelines": 2,
        "labels": {"os": "linux"},
        "version": "f" * 64,
        "facts": {"hostname": "host-1", "python": "3.11.2"},
        "lastSeenAt": "2026-11-23T02:29:30.000Z",
        **more,
    }


def workflow(**more: Any) -> dict[str, Any]:
    steps = [{"name": "where", "run": "uname"}, {"name": "say", "run": "echo"}]
    return {
        "name": "hello",
        "source": "demo",
        "generation": 2,
        "revision": "abcdefabcdef",
        "suspended": False,
        "labels": {"team": "web"},
        "spec": {
            "pipelines": {
                "greet": {
                    "params": {"who": {"type": "string", "default": "world"}, "n": {"type": "integer"}},
                    "placement": {"agentSelector": {"matchLabels": {"os": "linux"}}, "size": 2},
                    "tasks": {"look": {"steps": steps[:1]}, "greet": {"needs": ["look"], "steps": steps}},
                }
            }
        },
        **more,
    }


def secret(**more: Any) -> dict[str, Any]:
    return {
        "name": "deploy-token",
        "source": "demo",
        "digest": "abcdefabcdef",
        "from": "env",
        "labels": {},
        **more,
    }


def template(**more: Any) -> dict[str, Any]:
    return {
        "name": "notify",
        "source": "demo",
        "revision": "abcdefabcdef",
        "labels": {},
        "spec": {"params": {"who": {"type": "string"}}, "task": {"steps": [{"name": "say", "run": "echo"}]}},
        **more,
    }


def event(**more: Any) -> dict[str, Any]:
    return {
        "at": "2026-11-23T02:29:00.000Z",
        "kind": "Pipeline",
        "name": "hello/greet",
        "reason": "Placed",
        "message": "on local",
        **more,
    }


def slot(**more: Any) -> dict[str, Any]:
    return {
        "workflow": "hello",
        "pipeline": "greet",
        "trigger": "nightly",
        "at": "2026-11-23T02:29:00.000Z",
        "outcome": "missed",
        "reason": "Late",
        "message": "nothing could fire",
        "run": None,
        "agent": "build-1",
        **more,
    }


def token(**more: Any) -> dict[str, Any]:
    return {
        "name": "ci",
        "role": "trigger",
        "for": "shop/build",
        "createdAt": "2026-11-23T02:00:00.000Z",
        "expiresAt": None,
        "lastUsedAt": "2026-11-23T02:29:00.000Z",
        **more,
    }
