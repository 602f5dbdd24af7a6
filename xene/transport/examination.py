"""Looking at a host with nothing but its `sh`: the agent itself may be what is broken. Used by `control.doctor`.

`script` and `parse` are pure. `examine` runs the script over SSH, or here for a local agent, and brings back what
was said and when. It judges nothing (`plan.health` does), and leaves nothing on the host.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Mapping, NamedTuple

from xene.errors import Unreachable, XeneError
from xene.transport.base import NOISE_BYTES, Target

if TYPE_CHECKING:
    import paramiko

SECONDS = 40.0  # for all of the script: a container engine may take its time
OUTPUT_BYTES = 256 * 1024  # of what it may say
MARK = "XENE-EXAMINATION-1"

# $home, $python, $state, $agent are set before it. All in a function, so that no command eats the rest of it from
# stdin. Lines of KEY=VALUE on stdout, after the mark; what stands before that is the login shell's own talk.
SCRIPT = r"""
exec 2> /dev/null
now() {
  "$python" -I -S -c 'import time; print(time.time())' || date +%s
}
say() {
  printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ' | cut -c 1-300)"
}
runs() {  # a program of our own in directory $1: ok, noexec, or unwritable
  file="$1/.xene-doctor.$$"
  if (umask 077; printf '#!/bin/sh\nexit 0\n' > "$file") && chmod 700 "$file"; then
    if "$file"; then echo ok; else echo noexec; fi
  else
    echo unwritable
  fi
  rm -f "$file"
}
limited() {
  if command -v timeout > /dev/null; then timeout 15 "$@"; else "$@"; fi
}
main() {
  case $home in '~'|'~/'*) home=$HOME${home#'~'} ;; esac
  case $python in '~/'*) python=$HOME${python#'~'} ;; esac
  instant=$(now | tail -n 1)
  printf '\n%s\n' MARK
  say now "$instant"
  say user "$(id -un)"
  say uid "$(id -u)"
  if command -v "$python" > /dev/null; then
    say python "$("$python" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>&1)"
  fi
  near=$home
  while [ ! -d "$near" ] && [ "$near" != / ] && [ "$near" != . ]; do near=$(dirname "$near"); done
  say home "$home"
  if [ -d "$home" ]; then say home_mode "$(stat -c '%a %u' "$home")"; fi
  say home_disk "$(df -Pk "$near" | tail -n 1)"
  say home_inodes "$(df -Pi "$near" | tail -n 1)"
  say home_type "$(stat -f -c %T "$near")"
  say home_runs "$(runs "$near")"
  say tmp "${TMPDIR:-/tmp}"
  say tmp_runs "$(runs "${TMPDIR:-/tmp}")"
  say kill_user_processes "$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
    org.freedesktop.login1.Manager KillUserProcesses)"
  say linger "$(loginctl show-user "$(id -un)" -p Linger --value)"
  if [ -e "/var/lib/systemd/linger/$(id -un)" ]; then say linger yes; fi
  for comm in /proc/[0-9]*/comm; do
    read -r name < "$comm"
    case $name in cron|crond|fcron) say cron_daemon "$name" ;; esac
  done
  if command -v crontab > /dev/null; then
    say crontab_lines "$(crontab -l | grep -cF "# xene: $state/$agent")"
  fi
  for file in "$home"/*/*/daemon.pid; do
    [ -f "$file" ] || continue
    read -r pid rest < "$file"
    case $(tr '\0' ' ' < "/proc/$pid/cmdline") in
      *daemon*) directory=${file%/daemon.pid}; say daemon "$pid ${directory#"$home"/}" ;;
    esac
  done
  for engine in podman docker; do
    if command -v "$engine" > /dev/null; then
      said=$(limited "$engine" info 2>&1)
      say engine "$engine $? $(printf '%s' "$said" | tail -n 1)"
    fi
  done
  say done yes
}
main < /dev/null
"""


class Said(NamedTuple):
    """What a host said. `noise`: the login shell's own talk, before the mark or on stderr. `facts` by key.

    The host's clock was read between `sent` and `heard`, both in seconds since 1970 by ours.
    """

    noise: str
    facts: Mapping[str, list[str]]
    sent: float
    heard: float


def script(target: Target) -> str:
    """The whole script for one agent."""
    python = sys.executable if target.ssh is None and target.python == "python3" else target.python
    words = {"home": target.home, "python": python, "state": target.state, "agent": target.name}
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
    return head + SCRIPT.replace("MARK", MARK)


def parse(out: str) -> tuple[str, dict[str, list[str]]]:
    """What was said before the mark, and the facts after it; without a mark all of it is talk."""
    before, mark, after = out.partition(f"\n{MARK}\n")
    facts: dict[str, list[str]] = {}
    for line in after.splitlines() if mark else ():
        key, equals, value = line.partition("=")
        if key and equals and value:
            facts.setdefault(key, []).append(value)
    return (before if mark else out).strip(), facts


def examine(target: Target, trusted: list[str], seconds: float = SECONDS) -> Said:
    """Run the script there. Raises Unreachable, NotTrusted."""
    said = _Listener()
    if target.ssh is None:
        _here(target, said, seconds)
    else:
        _there(target, trusted, said, seconds)
    talk, facts = parse(said.out.decode("utf-8", "replace"))
    noise = "\n".join(part for part in (talk, said.err.decode("utf-8", "replace").strip()) if part)
    return Said(noise, facts, said.sent, said.heard or time.time())


class _Listener:
    """Takes what comes, and notes when the mark did."""

    def __init__(self) -> None:
        self.out = self.err = b""
        self.sent = time.time()
        self.heard = 0.0

    def take(self, data: bytes) -> None:
        self.out += data
        if not self.heard and MARK.encode() in self.out:
            self.heard = time.time()

    @property
    def is_full(self) -> bool:
        return len(self.out) > (OUTPUT_BYTES if self.heard else NOISE_BYTES)


def _here(target: Target, said: _Listener, seconds: float) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["/bin/sh", "-s"], stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            out, said.err = process.communicate(script(target).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            raise _late(target, seconds) from None
        finally:
            _end(process)
    said.take(out)


def _end(process: subprocess.Popen[bytes]) -> None:
    """What hangs goes with all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _there(target: Target, trusted: list[str], said: _Listener, seconds: float) -> None:
    from xene.transport.connection import Connection
    from xene.transport.ssh import hops, session

    connection = Connection(target)
    try:
        connection.open(hops(target), trusted)
        channel = session(connection, target)
        _converse(channel, target, said, seconds)
    finally:
        connection.close()


def _converse(channel: paramiko.Channel, target: Target, said: _Listener, seconds: float) -> None:
    import paramiko

    deadline = time.monotonic() + seconds
    try:
        channel.settimeout(seconds)
        channel.exec_command("sh -s")
        said.sent = time.time()
        channel.sendall(script(target).encode())
        channel.shutdown_write()
        while not said.is_full:
            channel.settimeout(max(deadline - time.monotonic(), 0.001))
            if not (data := channel.recv(65536)):
                break
            said.take(data)
    except TimeoutError:
        raise _late(target, seconds) from None
    except (paramiko.SSHException, EOFError, OSError):
        pass  # a shell that ends without reading: what it said tells why
    while channel.recv_stderr_ready() and len(said.err) < NOISE_BYTES:
        said.err += channel.recv_stderr(65536)


def _late(target: Target, seconds: float) -> XeneError:
    return Unreachable(
        f"agent {target.name}: the host did not answer a few questions within {seconds:g} s",
        hint="log in there and see what hangs: its load, its disks, a login shell that waits",
        code="ConnectTimeout",
    )
