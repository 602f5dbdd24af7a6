"""How long placement takes: 10,000 pipelines with varied selectors on 1,000 agents, on one core.

No clock inside `xene.plan`: it is here.
"""

from __future__ import annotations

import random
import time

from xene.model.workflow import Placement, Requirement
from xene.plan.placement import Candidate, Wanted, place


def agents(count: int, chance: random.Random) -> list[Candidate]:
    """Agents with a zone, a rack, a few features each, and capacities from 2 to 64."""
    return [
        Candidate(
            name=f"agent-{number:04d}",
            labels={
                "os": "linux",
                "zone": f"z{number % 20}",
                "rack": f"r{number % 100}",
                **{f"feature-{one}": "yes" for one in chance.sample(range(200), 5)},
            },
            capacity=chance.choice([2, 4, 8, 16, 64]),
            ready=chance.random() > 0.02,
            cordoned=chance.random() < 0.02,
        )
        for number in range(count)
    ]


def pipelines(count: int, varied: bool) -> list[Wanted]:
    """`varied`: nearly every pipeline has a selector of its own; else a hundred are shared."""
    return [
        Wanted(
            f"workflow-{number // 5}",
            f"p{number % 5}",
            _placement(number if varied else number % 100),
        )
        for number in range(count)
    ]


def _placement(number: int) -> Placement:
    wanted = (
        Requirement("rack", "NotIn", (f"r{number % 100}", f"r{number // 100 % 100}")),
        Requirement(f"feature-{number % 200}", "DoesNotExist"),
        Requirement(
            "zone", "In", tuple(sorted({f"z{(number + step * 7) % 20}" for step in range(1 + number % 9)}))
        ),
    )
    return Placement({"os": "linux"}, wanted, size=1 + number % 3)


def measure(wanted: list[Wanted], candidates: list[Candidate]) -> float:
    """Seconds of the best of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        place(wanted, candidates)
        best = min(best, time.perf_counter() - begun)
    return best


def cases(many: int, hosts: int) -> dict[str, tuple[list[Wanted], list[Candidate]]]:
    """The worlds that are measured, by name."""
    fleet = agents(hosts, random.Random(7))
    varied = pipelines(many, True)
    nobody = [
        Wanted("w", f"p{number}", Placement({"os": "linux", "no": f"such-{number}"}))
        for number in range(many)
    ]
    away = [Candidate(agent.name, agent.labels, agent.capacity, False, False, "away") for agent in fleet]
    placed = place(varied, fleet)
    stay = [Wanted(each.workflow, each.pipeline, each.placement, placed[each.key].agent) for each in varied]
    return {
        "every pipeline a selector of its own": (varied, fleet),
        "a hundred selectors": (pipelines(many, False), fleet),
        "nobody fits": (nobody, fleet),
        "nobody is ready": (varied, away),
        "all stay where they are": (stay, fleet),
    }


def report(many: int = 10_000, hosts: int = 1_000) -> str:
    """The table as Markdown."""
    lines = [
        f"### Placement of {many:,} pipelines on {hosts:,} agents, in one process",
        "",
        "Budget: 2 s.",
        "",
    ]
    lines += ["| | best of 3, s |", "|---|---|"]
    lines += [f"| {name} | {measure(*case):.3f} |" for name, case in cases(many, hosts).items()]
    return "\n".join(lines) + "\n"
