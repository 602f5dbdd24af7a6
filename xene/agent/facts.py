"""What a host is: read once, told to control in the daemon's `hello`."""

from __future__ import annotations

import os
import pwd
import sys
from typing import Any, Dict


def boot_id() -> str:
    """What tells a reboot from a crash."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def new_uuid() -> str:
    """A random one, from where `boot_id` comes from: `uuid` takes 5 ms to import."""
    with open("/proc/sys/kernel/random/uuid", encoding="ascii") as file:
        return file.read().strip()


def cpus() -> int:
    """The processors that this user may use."""
    return len(os.sched_getaffinity(0))


def facts(home: str) -> Dict[str, Any]:
    """Facts about the host; `home` is where free space is looked for."""
    system = os.uname()
    user = pwd.getpwuid(os.geteuid())
    space = os.statvfs(home)
    return {
        "hostname": system.nodename,
        "os": _os_name(),
        "kernel": system.release,
        "arch": system.machine,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "cpus": cpus(),
        "user": user.pw_name,
        "home": home,
        "freeBytes": space.f_bavail * space.f_frsize,
        "pid": os.getpid(),
    }


def user_environment() -> Dict[str, str]:
    """What a step gets of its agent's user."""
    user = pwd.getpwuid(os.geteuid())
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "TMPDIR") if name in os.environ}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {**kept, "HOME": os.environ.get("HOME") or user.pw_dir, "USER": user.pw_name}


def _os_name() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.split("=", 1)[1].strip().strip('"')
    except OSError:
        pass  # not every Linux has it, and it is only for people
    return os.uname().sysname
