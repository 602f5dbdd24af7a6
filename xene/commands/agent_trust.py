"""`xene agent trust`: shows the fingerprint of a host's key, and trusts it when told to. Never by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from xene.commands import listing, options
from xene.commands.call import Call, confirm, may_ask
from xene.commands.kinds import AGENTS
from xene.commands.slow import slow
from xene.commands.text import one_line
from xene.errors import Conflict, NotTrusted, Usage
from xene.model import phases
from xene.store import agents, db
from xene.store.db import State

if TYPE_CHECKING:
    from xene.transport.hostkeys import HostKey


def agent_trust(
    call: Call,
    agent: options.Agent,
    fingerprint: Annotated[
        Optional[str],
        typer.Option(
            "--fingerprint",
            metavar="SHA256:...",
            help="Trust the key if this is its fingerprint; asks nothing.",
        ),
    ] = None,
) -> int:
    """Accept the key that an agent's host shows now, and greet the agent.

    Shows the fingerprint and asks; compare it with what the host itself says:
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    """
    with db.open_for_reading(call.state) as state:
        listing.one(state, AGENTS, agent)
        found = agents.read(state.conn, agent)
        assert found is not None
        key = shown_key(call, state, found)
    word = "trusted already"
    if str(key) not in found.trusted:
        agree(agent, key, fingerprint)
        accept(call.state, agent, key)
        word = "trusted now"
    if call.structured:
        call.put_value({"agent": agent, "type": key.type, "fingerprint": key.fingerprint, "trusted": True})
    else:
        call.put(f"{agent}: {key.type} {key.fingerprint} is {word}")
    call.flush()
    contact(call, agent)
    return 0


def shown_key(call: Call, state: State, agent: agents.Agent) -> HostKey:
    """The key that the host shows now. Raises Usage, Conflict, Unreachable."""
    from xene.control.place import Place

    reach = agent.spec.get("ssh")
    if reach is None:
        raise Usage(f"agent {agent.name} runs on this host: there is no key to trust")
    if "hostKey" in reach:
        raise Conflict(
            f"the manifest of agent {agent.name} pins its host key",
            hint="change spec.ssh.hostKey there, and apply it",
        )
    from xene.transport import ssh

    with slow(call, f"asking {agent.name} for its key"):
        return ssh.host_key(Place(call.state, call.home).target(agent, state.uuid))


def agree(agent: str, key: HostKey, fingerprint: str | None) -> None:
    """Return if the key is the one that is meant. Raises NotTrusted."""
    what = f"agent {agent} shows {key.type} {key.fingerprint}"
    if fingerprint is not None:
        if fingerprint.removeprefix("SHA256:").rstrip("=") == key.fingerprint.removeprefix("SHA256:"):
            return
        raise NotTrusted(f"{what}, not {fingerprint}", hint="somebody may be in between: ask the host itself")
    if not may_ask():
        raise NotTrusted(
            what, hint=f"if that is right: xene agent trust {agent} --fingerprint {key.fingerprint}"
        )
    if not confirm(f"{what}. Trust it?"):
        raise NotTrusted(f"the key of agent {agent} was not trusted")


def accept(path: str, agent: str, key: HostKey) -> None:
    """Write it down."""
    with db.open_state(path, create=False) as state, state.transaction() as conn:
        agents.trust(conn, time.time(), agent, str(key), key.fingerprint)


def contact(call: Call, agent: str) -> None:
    """Greet the agent now that it may be spoken to, tell it what belongs to it, and say how it is."""
    from xene.control.drive import drive
    from xene.control.place import Place
    from xene.control.told import Told

    with slow(call, f"telling {agent}"):
        drive(Place(call.state, call.home), Told([agent]))
    with db.open_for_reading(call.state) as state:
        row = listing.one(state, AGENTS, agent)
    if row["phase"] == phases.READY:
        call.say(f"agent {agent} is Ready")
    else:
        call.warn(
            f"agent {agent} is {row['phase']}" + (f": {one_line(row['message'])}" if row["message"] else "")
        )
