"""What a delivery to a webhook trigger asks for: whether it starts anything, and with which params. Pure.

Called by `server.hooks` with a delivery that was verified. Whatever it holds is data: it is looked up by the
trigger's expressions, whose work is bounded, and is never anything else.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, NamedTuple

from xene.engine import expressions
from xene.engine.expressions import ExpressionError
from xene.errors import Usage
from xene.model.trigger import WITHHELD, Webhook


class Headers(Mapping[str, str]):
    """The headers of a delivery, by their names in any case; without those that may hold the secret."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        lowered = {name.lower(): value for name, value in headers.items()}
        self._found = {name: value for name, value in lowered.items() if name not in WITHHELD}

    def __getitem__(self, name: str) -> str:
        return self._found[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class Asked(NamedTuple):
    """What a delivery asks for, as `webhook` has it: `params`, None: it starts nothing; or why it is refused."""

    webhook: Webhook
    params: Mapping[str, str] | None = None
    refused: Usage | None = None


def asked(trigger: str, webhook: Webhook, body: Any, headers: Mapping[str, str]) -> Asked:
    """What a delivery asks for; it may take a second for each expression, whatever comes."""
    try:
        return Asked(webhook, params(trigger, webhook, body, headers))
    except Usage as error:
        return Asked(webhook, refused=error)


def params(trigger: str, webhook: Webhook, body: Any, headers: Mapping[str, str]) -> dict[str, str] | None:
    """The params that a delivery gives, as texts; None where its `when` is false, so that nothing starts.

    A param that comes to null is not given. Raises Usage for what cannot be worked out: the delivery is another one
    than the trigger was written for.
    """
    scope = {"event": {"body": body, "headers": Headers(headers)}}
    when = webhook.when
    if when is not None and not _evaluated(f"{trigger}: when", expressions.condition, when, scope):
        return None
    return {
        name: _evaluated(f"{trigger}: param {name}", expressions.render, text, scope)
        for name, text in webhook.params.items()
        if _evaluated(f"{trigger}: param {name}", expressions.value, text, scope) is not None
    }


def _evaluated(
    what: str, evaluate: Callable[[str, expressions.Scope], Any], text: str, scope: expressions.Scope
) -> Any:
    try:
        return evaluate(text, scope)
    except ExpressionError as error:
        raise Usage(
            f"trigger {what} cannot be worked out from this delivery: {error.problem}", hint=error.hint
        ) from None
