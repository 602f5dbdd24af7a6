"""The agent's command line, spoken by `transport/` and, in need, by people on a host.

attach  --home HOME --state UUID --agent NAME   connect stdin and stdout to the daemon, started if need be
start   --home HOME --state UUID --agent NAME   start the daemon, unless it is there; called after a reboot
stop    --home HOME --state UUID --agent NAME   end that daemon; steps under way go on
autostart HOW --home ...                        have `start` called after a reboot: cron, systemd, none
version                                         print the digest of this code
check                                           0 where this code can be started here; asked by an older daemon
artifacts JOBFILE                               a step of the agent's own: lay artifacts, or collect them
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from typing import Dict, List, Optional

from xene.errors import XeneError

_USAGE = 2
_STORAGE = 74


def main(argv: Optional[List[str]] = None) -> int:
    """Run one verb; the exit code. What is wrong goes to stderr as `xene-agent: CODE: message`, for control."""
    words = sys.argv[1:] if argv is None else argv
    verb = words[0] if words else ""
    try:
        if verb == "version":
            print(_version())
            return 0
        if verb == "check":
            from xene.agent import birth  # noqa: F401  all that a daemon needs

            return 0
        if verb == "artifacts" and len(words) == 2:
            from xene.agent.artifacts import carry_out

            return carry_out(words[1])
        if verb == "autostart" and len(words) > 2:
            from xene.agent.comeback import carry_out as arrange

            return arrange(words[1], _options(words[2:]), code_directory())
        return _run(verb, _options(words[1:]))
    except XeneError as error:
        print(f"xene-agent: {error.code}: {error.message}", file=sys.stderr)
        return error.exit_code
    except (BrokenPipeError, ConnectionResetError):
        return 0  # the other side left
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        print(f"xene-agent: {'DiskFull' if full else 'HomeUnusable'}: {error}", file=sys.stderr)
        return _STORAGE
    except KeyError as error:
        print(f"xene-agent: {verb} wants {error.args[0]}\n{__doc__}", file=sys.stderr)
        return _USAGE


def _run(verb: str, options: Dict[str, str]) -> int:
    from xene.agent.home import daemon_home

    home = daemon_home(options["--home"], options["--state"], options["--agent"])
    if verb == "attach":
        from xene.agent.attach import attach

        return attach(home, _daemon_argv(options))
    if verb == "start":
        from xene.agent.attach import start

        return start(home, _daemon_argv(options))
    if verb == "stop":
        from xene.agent.attach import stop

        return stop(home)
    if verb == "daemon":
        gc.disable()  # all that is imported stays: no search for circles in it, now or later
        from xene.agent.birth import run_daemon

        gc.freeze()
        gc.enable()
        return run_daemon(home, _version(), options)
    print(f"xene-agent: there is no verb {verb!r}\n{__doc__}", file=sys.stderr)
    return _USAGE


def _options(words: List[str]) -> Dict[str, str]:
    return dict(zip(words[::2], words[1::2]))


def _daemon_argv(options: Dict[str, str]) -> List[str]:
    argv = [sys.executable, "-I", "-S", code_directory(), "daemon"]
    for name in ("--home", "--state", "--agent", "--tether"):
        if name in options:
            argv += [name, options[name]]
    return argv


def code_directory() -> str:
    """The directory that this code was unpacked to; its name is the digest."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _version() -> str:
    return os.path.basename(code_directory())
