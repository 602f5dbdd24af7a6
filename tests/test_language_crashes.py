"""The agent's daemon is killed wherever a run waits or branches: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: crash}
spec:
  pipelines:
    pause:
      tasks:
        t:
          steps:
            - name: s
              retry: {maxAttempts: 2, backoff: {initial: 3s}}
              run: 'echo "$XENE_ATTEMPT" >> tries; [ "$XENE_ATTEMPT" = 2 ]'
        u:
          retry: {maxAttempts: 2, backoff: {initial: 3s}}
          steps: [{name: s, run: 'echo "$XENE_ATTEMPT" >> tries-u; [ "$XENE_ATTEMPT" = 2 ]'}]
        look: {needs: [t, u], steps: [{name: s, run: cat tries tries-u}]}
    ask:
      tasks:
        build: {outputs: [word], steps: [{name: s, run: 'echo x >> builds; echo word=w >> "$XENE_OUTPUT"'}]}
        ship:
          needs: [build]
          approval: {message: "Ship?"}
          env: {WORD: "${{ tasks.build.outputs.word }}"}
          steps: [{name: s, run: 'echo "$WORD"; cat builds'}]
    many:
      maxParallel: 1
      tasks:
        each:
          matrix: {n: [1, 2, 3, 4]}
          outputs: [n]
          env: {N: "${{ matrix.n }}"}
          steps:
            - name: s
              run: |
                echo "$N" >> order; touch "begun-$N"
                [ "$N" != 2 ] || until [ -e go ]; do sleep 0.02; done
                echo "n=$N" >> "$XENE_OUTPUT"
        look:
          needs: [each]
          env: {ALL: "${{ tasks.each.outputs.n }}"}
          steps: [{name: s, run: 'echo "$ALL"; cat order'}]
    last:
      tasks:
        bad: {steps: [{name: s, run: exit 1}]}
      finally:
        one:
          env: {R: "${{ run.outcome }}"}
          steps: [{name: s, run: 'echo x >> once; touch begun; until [ -e go ]; do sleep 0.02; done; echo "$R"'}]
        two: {needs: [one], steps: [{name: s, run: cat once}]}
    expires:
      tasks:
        ask: {approval: {message: "Now?", timeout: 3s}, steps: [{name: s, run: "true"}]}
"""


@pytest.fixture(scope="module", params=["local", "ssh"])
def applied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=1) as made:
        made.write("crash.yaml", FLOW)
        made.apply()
        yield made


def agent_home(made: Fleet) -> Path:
    return made.root / "agent-1" if made.hosts is None else made.hosts[0].home


def kill_daemon(made: Fleet) -> None:
    (path,) = agent_home(made).glob("*/host-1/daemon.pid")
    os.kill(int(path.read_text().split()[0]), signal.SIGKILL)


def fired(made: Fleet, target: str) -> str:
    return made.xene("run", target).out.strip()


def workspace(made: Fleet, run: str) -> Path:
    (found,) = agent_home(made).glob(f"*/host-1/runs/{run}/workspace")
    return found


def reaches(made: Fleet, run: str, holds: Any, what: str) -> None:
    until(lambda: made.xene("reconcile") and holds(made.get("run", run)), what)


def test_in_the_pause_before_another_try(applied: Fleet) -> None:
    run = fired(applied, "crash/pause")
    reaches(
        applied,
        run,
        lambda run: {run["tasks"][t]["reason"] for t in "tu"} == {"WaitingForRetry"},
        "both wait",
    )
    kill_daemon(applied)
    applied.xene("wait", run)
    assert applied.xene("logs", run, "look/s").out.split() == ["1", "2", "1", "2"]
    assert applied.get("run", run)["tasks"]["u"]["attempt"] == 2


def test_while_an_approval_waits(applied: Fleet) -> None:
    run = fired(applied, "crash/ask")
    reaches(applied, run, lambda run: run["reason"] == "WaitingForApproval", "it asks")
    kill_daemon(applied)
    assert applied.get("run", run)["reason"] == "WaitingForApproval"
    applied.xene("reconcile")
    assert applied.get("run", run)["reason"] == "WaitingForApproval"
    kill_daemon(applied)
    applied.xene("approve", run, "ship")
    applied.xene("wait", run)
    assert applied.xene("logs", run, "ship/s").out == "w\nx\n"


def test_an_approval_expires_under_the_next_daemon(applied: Fleet) -> None:
    run = fired(applied, "crash/expires")
    reaches(applied, run, lambda run: run["reason"] == "WaitingForApproval", "it asks")
    kill_daemon(applied)
    applied.xene("wait", run, code=1)
    assert applied.get("run", run)["reason"] == "Rejected"


def test_between_the_instances_of_a_matrix(applied: Fleet) -> None:
    run = fired(applied, "crash/many")
    until(lambda: list(agent_home(applied).glob(f"*/host-1/runs/{run}/workspace/begun-2")), "the second runs")
    kill_daemon(applied)
    applied.xene("reconcile")
    (workspace(applied, run) / "go").touch()
    kill_daemon(applied)
    applied.xene("wait", run)
    assert applied.xene("logs", run, "look/s").out == '["1","2","3","4"]\n1\n2\n3\n4\n'
    tasks = applied.get("run", run)["tasks"]
    assert [tasks[f"each[{n}]"]["attempt"] for n in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_in_finally(applied: Fleet) -> None:
    run = fired(applied, "crash/last")
    until(lambda: list(agent_home(applied).glob(f"*/host-1/runs/{run}/workspace/begun")), "finally runs")
    kill_daemon(applied)
    applied.xene("reconcile")
    seen = applied.get("run", run)
    assert (seen["phase"], seen["tasks"]["one"]["phase"]) == ("ShuttingDown", "Running")
    (workspace(applied, run) / "go").touch()
    applied.xene("wait", run, code=1)
    seen = applied.get("run", run)
    assert (seen["phase"], seen["reason"]) == ("Error", "StepFailed")
    assert applied.xene("logs", run, "one/s").out == "error\n"
    assert applied.xene("logs", run, "two/s").out == "x\n"


def test_a_reboot_is_a_fault_that_is_counted_apart(tmp_path: Path) -> None:
    """One failure of its own and one reboot: a maximum of two is enough for both, and for no more of either."""
    from tests.agent.test_recovery import rewrite_boot

    with fleet(tmp_path, "local", count=1) as made:
        made.write(
            "boot.yaml",
            """\
            apiVersion: xene/v1
            kind: Workflow
            metadata: {name: boot}
            spec:
              pipelines:
                p:
                  tasks:
                    t:
                      steps:
                        - name: s
                          retry: {maxAttempts: 2, backoff: {initial: 10ms}}
                          run: |
                            echo "$XENE_ATTEMPT" >> tries
                            case $(wc -l < tries) in 1) exit 1;; 2) touch begun; sleep 300;; *) cat tries;; esac
        """,
        )
        made.apply()
        run = fired(made, "boot/p")
        until(
            lambda: list(agent_home(made).glob(f"*/host-1/runs/{run}/workspace/begun")), "the second try runs"
        )
        kill_daemon(made)
        left = agent_home(made)
        end_steps(run)
        (journal,) = left.glob("*/host-1/journal")
        rewrite_boot(str(journal))
        made.xene("wait", run)
        seen = made.get("run", run)
        assert seen["phase"] == "Success" and seen["tasks"]["t"]["steps"][0]["attempt"] == 3
        said = made.xene("logs", run, "t/s").out.split()  # the shell may have had time to say "Killed", too
        assert [word for word in said if word.isdigit()] == ["1", "2", "3"]


def end_steps(run: str) -> None:
    """What a reboot does to the processes of a run."""
    from xene.agent import process

    def gone() -> bool:
        left = process.members(f"XENE_RUN={run}", None)
        for each in left:
            process.send({each}, signal.SIGKILL)
        return not left

    until(gone, "they are gone")
