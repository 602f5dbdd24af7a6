"""What a run is given in secret: put into its steps' environment, and kept out of whatever is written or told.

Called by `work` and `requests`. The values are in the vault; a step's output passes a masker before it reaches the
log; outputs that hold a secret are an error, messages are masked.
"""

from __future__ import annotations

from typing import Callable, Dict, Mapping, Optional

from xene.agent.results import Result
from xene.agent.vault import Vault
from xene.engine.progress import RunProgress
from xene.model import phases

LOST = "its secrets went with the daemon that had them; it goes on when control is in touch"


class Secrecy:
    """`vault` has the values by run."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def keep(self, run: str, values: Mapping[str, str]) -> None:
        """Keep the values for a run. From then on no other process of this user may look into this one's memory."""
        from xene.agent import masker

        masker.forbid_inspection()
        self.vault.put(run, values)

    def lacks(self, run: RunProgress) -> bool:
        """Whether the run needs secrets that are not here."""
        return bool(run.pipeline.secrets) and self.vault.get(run.order.id) is None

    def environment(self, run: RunProgress) -> Mapping[str, str]:
        """The values by environment variable."""
        return self.vault.get(run.order.id) or {}

    def output(self, run: RunProgress, log: str) -> Optional[int]:
        """Where a step is to write instead of its log; None: to the log itself. The caller closes it."""
        if not self.environment(run):
            return None
        from xene.agent import masker

        return masker.start(self.vault.needles(run.order.id), log)[1]

    def shown(self, run: RunProgress) -> Callable[[str], str]:
        """Masks what is quoted of a run's steps."""
        return self.vault.needles(run.order.id).mask_text if self.environment(run) else str

    def cleared(self, run: RunProgress, result: Result) -> Result:
        """The result of a step, as it may be told."""
        if not self.environment(run):
            return result
        needles = self.vault.needles(run.order.id)
        outputs: Dict[str, str] = result.outputs or {}
        leaks = [name for name, value in outputs.items() if needles.contains(value) or needles.contains(name)]
        if leaks:
            message = f"the output '{needles.mask_text(leaks[0])}' holds a secret; it is not kept"
            return Result(phases.OUTPUT_SECRET, message)
        return result._replace(message=result.message and needles.mask_text(result.message))

    def is_told(self, run: RunProgress, logs: list[str]) -> bool:
        """Whether all that the run's steps said has come into these logs."""
        if not run.pipeline.secrets:
            return True
        from xene.agent import masker

        return all(masker.finished(log) for log in logs)
