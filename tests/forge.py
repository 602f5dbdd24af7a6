"""A client that sends webhooks as forges do: many connections, and each delivery again until it is answered.

For `tests.test_deliveries` and `bench.webhooks`. A delivery that got no answer (refused, cut off, 503, 429) is sent
again under its own key, as long as `patience` lasts; what became of each is kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

AGAIN = (429, 502, 503)  # answers after which a client tries again
PAUSE = 0.05  # seconds until then


@dataclass
class Delivery:
    """One event of a forge. `runs` and `status` are of its last answer, for which it waited `took` seconds."""

    key: str
    params: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    runs: list[str] = field(default_factory=list)
    answered_at: float = 0.0
    took: float = 0.0
    tries: int = 0


@dataclass(frozen=True)
class Door:
    """Where deliveries go: the URL of a default webhook, and a token for it."""

    url: str
    token: str


def send_all(door: Door, deliveries: Sequence[Delivery], connections: int, patience: float = 120.0) -> None:
    """Send all, from so many connections at once, each until it is answered. Raises TimeoutError."""
    asyncio.run(asyncio.wait_for(_send_all(door, deliveries, connections), patience))


async def _send_all(door: Door, deliveries: Sequence[Delivery], connections: int) -> None:
    waiting = iter(deliveries)
    limit = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(total=15)) as session:

        async def work() -> None:
            for delivery in waiting:
                while not await _send(session, door, delivery):
                    await asyncio.sleep(PAUSE)

        await asyncio.gather(*(work() for _ in range(connections)))


async def _send(session: aiohttp.ClientSession, door: Door, delivery: Delivery) -> bool:
    """One try; whether it was answered for good."""
    delivery.tries += 1
    headers = {"Authorization": f"Bearer {door.token}", "Idempotency-Key": delivery.key}
    body = json.dumps({"params": dict(delivery.params)}).encode()
    headers["Content-Type"] = "application/json"
    begun = time.perf_counter()
    try:
        async with session.post(door.url, data=body, headers=headers) as response:
            answer = await response.json()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return False
    delivery.status, delivery.runs = response.status, list(answer.get("runs", ()))
    delivery.answered_at, delivery.took = time.time(), time.perf_counter() - begun
    return response.status not in AGAIN
