"""Control is killed wherever it stores or sends what the language asks of it: followers, answers, retries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet import fleet, until
from tests.test_approval import FLOW, asking
from tests.test_fires import of_fire


def test_every_point_at_which_control_may_die_between_two_pipelines(tmp_path: Path) -> None:
    """The commit that makes the run that follows: killed before and after it, there is one run in the end."""
    with fleet(tmp_path, "local", count=1) as made:
        made.write(
            "two.yaml",
            """\
            apiVersion: xene/v1
            kind: Workflow
            metadata: {name: two}
            spec:
              pipelines:
                one: {tasks: {t: {steps: [{name: s, run: "true"}]}}}
                next: {needs: [one], tasks: {t: {steps: [{name: s, run: "true"}]}}}
        """,
        )
        made.apply()
        every = made.points("run", "two", "--wait")
        passed = [point for point in every if "commit@control.passes._pass_once" in point]
        assert len(passed) >= 4
        for point in passed:
            made.dying(point, "--", "run", "two", "--wait")
        made.xene("reconcile")

        def settled() -> bool:
            made.xene("reconcile")
            runs = made.get("runs")
            fires = {run["fire"] for run in runs}
            done = all(run["phase"] == "Success" for run in runs)
            return done and all(set(of_fire(made, fire)) == {"one", "next"} for fire in fires)

        until(settled, "every fire is complete")
        runs = made.get("runs")
        assert len(runs) == 2 * len({run["fire"] for run in runs})


@pytest.mark.slow
def test_control_may_die_wherever_it_carries_an_answer_or_a_retry(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        made.write("ask.yaml", FLOW.replace("TIMEOUT", "1h"))
        made.apply()
        run = asking(made, "ask/ship")
        rejecting = made.points("reject", run, "ship")
        made.xene("wait", run, code=1)
        retrying = made.points("retry", run)
        found = [(point, "reject") for point in rejecting] + [(point, "retry") for point in retrying]
        deadly = [
            each
            for each in found
            if "commit@" in each[0] or "send answer" in each[0] or "send retry" in each[0]
        ]
        assert len(deadly) > 10
        for point, word in deadly:
            until(
                lambda: made.xene("reconcile") and made.get("run", run)["reason"] == "WaitingForApproval",
                "it asks",
            )
            if word == "reject":
                made.dying(point, "--", "reject", run, "ship")
                if made.get("run", run)["reason"] == "WaitingForApproval":
                    made.xene("reject", run, "ship", code=None)
            else:
                made.xene("reject", run, "ship")
            made.xene("wait", run, code=1)
            attempt = made.get("run", run)["attempt"]
            if word == "retry":
                made.dying(point, "--", "retry", run)
            if made.get("run", run)["phase"] == "Error":
                made.xene("retry", run, code=None)
            until(
                lambda: made.xene("reconcile") and made.get("run", run)["attempt"] == attempt + 1, "once more"
            )
        made.xene("cancel", run)
