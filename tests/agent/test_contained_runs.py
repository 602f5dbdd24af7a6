"""Runs in containers by a real daemon and a real podman: how they are taken over, end and leave nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.probe import Probe, probing
from tests.agent.test_recovery import again, go, kill_daemon
from tests.agent.test_runs import workspace
from tests.containers import Podman, podman_engine
from tests.hosts import until
from xene.agent import process
from xene.model import phases
from xene.wire import messages


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with podman_engine() as engine:
        yield engine


@pytest.fixture(autouse=True)
def known_to_the_daemon(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in podman.settings.items():
        monkeypatch.setenv(name, value)
    yield
    assert podman.names() == []


def inside(podman: Podman, *scripts: str, spec: dict[str, Any] | None = None, **step: Any) -> dict[str, Any]:
    """A pipeline of one task whose steps run in a container."""
    container = {"image": podman.image, "engine": "podman", "network": "none", **(spec or {})}
    steps = [{"name": f"s{number}", "run": run, **step} for number, run in enumerate(scripts)]
    return {"contexts": {"box": {"container": container}}, "tasks": {"t": {"context": "box", "steps": steps}}}


def first_step(probe: Probe, run: str) -> dict[str, Any]:
    found: dict[str, Any] = probe.tasks(run)["t"]["steps"][0]
    return found


def runs_in(probe: Probe, run: str, name: str = "ready") -> None:
    until(lambda: os.path.exists(os.path.join(workspace(probe, run), name)), "the step runs")


WAITS = "echo begun; touch ready; while [ ! -e go ]; do sleep 0.02; done; echo v=1 >> $XENE_OUTPUT; exit 7"
ENDLESS = "touch ready; (setsid sleep 1001 &); sleep 1002"


def test_outputs_and_logs_of_a_run_and_nothing_left_after_it(probe: Probe, podman: Podman) -> None:
    pipeline = inside(
        podman, "hostname; echo a=1 >> $XENE_OUTPUT", "cat /etc/passwd | head -1; (setsid sleep 1001 &)"
    )
    pipeline["tasks"]["t"]["outputs"] = ["a"]
    pipeline["tasks"]["u"] = {
        "needs": ["t"],
        "steps": [{"name": "s", "run": 'test "$A" = 1', "env": {"A": "${{ tasks.t.outputs.a }}"}}],
    }
    run = probe.start(pipeline)
    seen = probe.tasks(run)
    assert [seen[name]["phase"] for name in "tu"] == [phases.SUCCESS] * 2, seen
    assert podman.names() == []
    assert not process.members(f"XENE_RUN={run}", None)
    assert probe.read_logs(run)[("t", "s1")].startswith(b"root:")


def test_a_missing_output_is_missed(probe: Probe, podman: Podman) -> None:
    pipeline = inside(podman, "true")
    pipeline["tasks"]["t"]["outputs"] = ["a"]
    assert probe.tasks(probe.start(pipeline))["t"]["reason"] == "OutputMissing"


def test_an_output_that_became_a_device_is_not_read(probe: Probe, podman: Podman) -> None:
    run = probe.start(inside(podman, "rm $XENE_OUTPUT; mknod $XENE_OUTPUT c 1 5 || mkfifo $XENE_OUTPUT"))
    assert first_step(probe, run)["reason"] == "OutputInvalid"


def test_one_container_for_each_context_of_a_run(probe: Probe, podman: Podman) -> None:
    pipeline = inside(podman, "hostname > one")
    box = pipeline["contexts"]["box"]
    pipeline["contexts"]["other"] = box
    for task, context in (("again", "box"), ("apart", "other")):
        pipeline["tasks"][task] = {"context": context, "steps": [{"name": "s", "run": f"hostname > {task}"}]}
    check = "sort -u one again apart | wc -l > count; ! cmp -s one apart && cmp one again"
    pipeline["tasks"]["bare"] = {"needs": ["t", "again", "apart"], "steps": [{"name": "s", "run": check}]}
    assert probe.ended(probe.start(pipeline)).phase == phases.SUCCESS


def test_an_image_from_a_param(probe: Probe, podman: Podman) -> None:
    spec = {"image": "${{ params.image }}"}
    run = probe.start(inside(podman, "true", spec=spec), params={"image": podman.image})
    assert first_step(probe, run)["phase"] == phases.SUCCESS
    run = probe.start(inside(podman, "true", spec=spec), params={"image": "--privileged"})
    assert first_step(probe, run)["reason"] == "ExpressionFailed"


@pytest.mark.parametrize(
    ("spec", "reason", "code"),
    [
        ({"image": "localhost/none:1", "pull": "never"}, "ImageUnavailable", None),
        ({"network": "no-such-network"}, "ContainerFailed", None),
        ({"mounts": ["/no/such/place:/data"]}, "ContainerFailed", None),
    ],
)
def test_what_cannot_be_had_is_told(
    probe: Probe, podman: Podman, spec: dict[str, Any], reason: str, code: int | None
) -> None:
    seen = first_step(probe, probe.start(inside(podman, "true", spec=spec)))
    assert (seen["reason"], seen.get("exitCode")) == (reason, code), seen


def test_an_engine_that_is_missing_is_told_and_not_tried_again(
    home: str, podman: Podman, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with probing(home) as probe:
        retry = {"maxAttempts": 3, "backoff": {"initial": "10ms"}}
        state = probe.ended(probe.start(inside(podman, "true", retry=retry)))
        assert (state.reason, state.tasks["t"].steps[0].tries) == ("ContainerEngineMissing", 1)


def test_a_docker_that_does_not_work_keeps_no_run_open(home: str, tmp_path: Path, podman: Podman) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    docker.chmod(0o755)
    with probing(home) as probe:
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        run = probe.start(inside(podman, "true", spec={"engine": "docker"}), agent_env=env)
        seen = first_step(probe, run)
        assert seen["reason"] == "ContainerFailed" and "Cannot connect" in seen["message"]


def test_a_timeout_is_124_and_ends_what_is_inside(probe: Probe, podman: Podman) -> None:
    run = probe.start(inside(podman, ENDLESS, timeout="3s", gracePeriod="1s"))
    seen = first_step(probe, run)
    assert (seen["reason"], seen["exitCode"]) == ("Timeout", 124)
    assert not process.members(f"XENE_RUN={run}", None)


@pytest.mark.parametrize("kill", [False, True])
def test_cancel_and_kill_end_the_container(probe: Probe, podman: Podman, kill: bool) -> None:
    said = "" if kill else "echo last words > words; exit 0"
    script = f"trap '{said}' TERM; touch ready; while :; do sleep 0.05 || :; done"
    run = probe.start(inside(podman, script, gracePeriod="1h" if kill else "20s"))
    runs_in(probe, run)
    probe.say(messages.cancel(probe.epoch, run, kill=kill))
    assert first_step(probe, run)["reason"] == "Cancelled"
    assert podman.names() == []
    assert os.path.exists(os.path.join(workspace(probe, run), "words")) != kill


def test_cancel_just_after_the_start_does_not_wait_for_the_grace_period(probe: Probe, podman: Podman) -> None:
    for _ in range(3):
        run = probe.start(inside(podman, ENDLESS, gracePeriod="1h"))
        probe.wait(lambda run=run: any(e["type"] == "step.started" and e["run"] == run for e in probe.events))
        probe.say(messages.cancel(probe.epoch, run, kill=False))
        assert first_step(probe, run)["reason"] == "Cancelled"


def test_cancel_while_the_image_is_pulled(probe: Probe, podman: Podman, tmp_path: Path) -> None:
    slow = tmp_path / "podman"
    slow.write_text(
        f"#!/bin/sh\ncase $1 in pull) touch {tmp_path}/pulling; sleep 300;; image) exit 1;; esac\n"
    )
    slow.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = probe.start(inside(podman, "true"), agent_env=env)
    until((tmp_path / "pulling").exists, "the pull begins")
    probe.say(messages.cancel(probe.epoch, run, kill=False))
    assert first_step(probe, run)["reason"] == "Cancelled"


def test_a_container_that_is_lost_is_made_anew_for_a_retry(probe: Probe, podman: Podman) -> None:
    script = "[ -e go ] && exit 0; touch ready; sleep 1001"
    retry = {"maxAttempts": 2, "backoff": {"initial": "10ms"}}
    run = probe.start(inside(podman, script, retry=retry))
    runs_in(probe, run)
    go(probe, run)
    podman.run("rm", "-f", f"xene-{run}-box")
    state = probe.ended(run)
    assert state.phase == phases.SUCCESS
    assert [e["reason"] for e in probe.events if e["type"] == "step.ended"] == ["ContainerLost", None]
    assert state.tasks["t"].steps[0].faults == 1


def test_a_run_that_is_tried_again_gets_a_new_container(probe: Probe, podman: Podman) -> None:
    run = probe.start(inside(podman, "[ -e go ]"))
    assert probe.ended(run).phase == phases.ERROR
    assert podman.names() == []
    go(probe, run)
    before = len(probe.events)
    probe.say(messages.retry(probe.epoch, run, 2, None))
    probe.wait(lambda: any(e["type"] == "run.ended" for e in probe.events[before:]))
    assert probe.progress(run).phase == phases.SUCCESS


def test_a_killed_daemons_step_is_adopted_with_its_container(home: str, podman: Podman) -> None:
    with probing(home) as probe:
        run = probe.start(inside(podman, WAITS, "true"))
        runs_in(probe, run)
        kill_daemon(probe)
        second = again(probe)
        assert podman.names() == [f"xene-{run}-box"]
        go(second, run)
        seen = first_step(second, run)
        assert (seen["reason"], seen["exitCode"]) == ("StepFailed", 7)
        assert podman.names() == []
        second.close()


def test_an_adopted_step_is_stopped_inside_too(home: str, podman: Podman) -> None:
    with probing(home) as probe:
        run = probe.start(inside(podman, ENDLESS, gracePeriod="1s"))
        runs_in(probe, run)
        kill_daemon(probe)
        second = again(probe)
        second.say(messages.cancel(second.epoch, run, kill=False))
        assert first_step(second, run)["reason"] == "Cancelled"
        assert podman.names() == []
        assert not process.members(f"XENE_RUN={run}", None)
        second.close()


def test_what_no_journal_knows_is_removed_by_the_next_daemon(home: str, podman: Podman) -> None:
    with probing(home) as probe:
        run = probe.start(inside(podman, ENDLESS))
        runs_in(probe, run)
        kill_daemon(probe)
        place = Path(workspace(probe, run)).parent
        (place.parent.parent / "journal").unlink()
        second = Probe(home)
        until(lambda: podman.names() == [], "the container goes")
        until(lambda: not place.exists(), "the directory goes")
        second.close()


def test_a_container_whose_run_has_no_directory_is_removed(home: str, podman: Podman) -> None:
    with probing(home) as probe:
        run = probe.start(inside(podman, ENDLESS))
        runs_in(probe, run)
        kill_daemon(probe)
        place = Path(workspace(probe, run)).parent
        for left in process.members(f"XENE_RUN={run}", None):
            process.send({left}, signal.SIGKILL)
        (place.parent.parent / "journal").unlink()
        place.rename(place.parent.parent / "moved")  # its container still sees it: it does not end by itself
        second = Probe(home)
        until(lambda: podman.names() == [], "the container goes")
        second.close()
