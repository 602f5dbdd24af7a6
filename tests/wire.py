"""A wire that a test can cut, slow down and make lossy: three network namespaces, and a relay in the middle one.

    with wire() as line:
        with fleet(tmp_path, "ssh", 1, hosts_in=line.host, address=line.ADDRESS) as made: ...
        line.cut(); line.mend(); line.worsen(loss=0.3, delay=2.0)

The control host is in one namespace, the hosts in another, each with one end of a veth pair; this file, run as
a program in the namespace between, passes the frames on. (It does what `tc netem` does, which many kernels lack.)
A cut wire drops everything without a word: both ends keep their connections and hear nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

OUTGOING = 4  # PACKET_OUTGOING
EVERY_PROTOCOL = 0x0003  # ETH_P_ALL
SIOCETHTOOL = 0x8946
OFFLOADS = (0x15, 0x17, 0x1F, 0x21, 0x24, 0x2C)  # receive and send checksums, TSO, UFO, GSO, GRO: set to off


class Wire:
    """`control` and `host` are what a command line begins with to run on that side."""

    ADDRESS = "10.77.0.2"

    def __init__(self, name: str) -> None:
        self.spaces = {side: f"{name}-{side}" for side in ("c", "w", "h")}
        self.control, self.host = self._in("c"), self._in("h")
        self._relay: subprocess.Popen[str] | None = None

    def _in(self, side: str) -> list[str]:
        return ["ip", "netns", "exec", self.spaces[side]]

    def lay(self) -> None:
        for space in self.spaces.values():
            _do("ip", "netns", "add", space)
            _do("ip", "-n", space, "link", "set", "lo", "up")
        for side, middle, address in (("c", "w0", "10.77.0.1"), ("h", "w1", self.ADDRESS)):
            space = self.spaces[side]
            _do("ip", "-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", middle)
            _do("ip", "-n", space, "link", "set", middle, "netns", self.spaces["w"])
            _do("ip", "-n", self.spaces["w"], "link", "set", middle, "up", "promisc", "on")
            _do("ip", "-n", space, "address", "add", f"{address}/24", "dev", "eth0")
            _do("ip", "-n", space, "link", "set", "eth0", "up")
            _do(*self._in(side), sys.executable, __file__, "plain", "eth0")
        self._relay = subprocess.Popen(
            [*self._in("w"), sys.executable, __file__, "relay", "w0", "w1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.mend()

    def cut(self) -> None:
        self._say("1 0")

    def mend(self) -> None:
        self._say("0 0")

    def worsen(self, *, loss: float = 0.0, delay: float = 0.0) -> None:
        """Lose this part of the frames each way, and keep each for `delay` seconds."""
        self._say(f"{loss} {delay}")

    def _say(self, line: str) -> None:
        assert self._relay and self._relay.stdin and self._relay.stdout
        self._relay.stdin.write(line + "\n")
        self._relay.stdin.flush()
        assert self._relay.stdout.readline() == line + "\n"

    def remove(self) -> None:
        if self._relay:
            self._relay.kill()
            self._relay.communicate()
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


def missing() -> str:
    """Why there can be no such wire here; "" where there can."""
    if os.getuid():
        return "network namespaces want root"
    name = f"xene-{os.getpid()}-try"
    try:
        _do("ip", "netns", "add", name)
    except OSError as error:
        return str(error)
    try:
        _do("ip", "-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "w0")
    except OSError as error:
        return str(error)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)
    return ""


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    made = Wire(f"xene-{os.getpid()}")
    try:
        made.lay()
        yield made
    finally:
        made.remove()


# What runs in the namespaces


def plain(device: str) -> None:
    """No offloads: frames leave with their checksums made, and none is larger than the wire takes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP8x", device.encode(), ctypes.addressof(value))
            with contextlib.suppress(OSError):  # a kernel that does not know one does not do it either
                fcntl.ioctl(sock, SIOCETHTOOL, request)


def relay(left: str, right: str) -> None:
    socks = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL)) for _ in "lr"]
    for sock, device in zip(socks, (left, right), strict=True):
        sock.bind((device, 0))
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    loss, delay, count = 1.0, 0.0, 0
    selector = selectors.DefaultSelector()
    for sock, other in (socks, socks[::-1]):
        selector.register(sock, selectors.EVENT_READ, other)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for key, _ in selector.select(pause):
            if key.data is None:
                line = sys.stdin.readline()
                if not line:
                    return
                loss, delay = map(float, line.split())
                print(line, end="", flush=True)
                continue
            frame, about = key.fileobj.recvfrom(1 << 17)  # type: ignore[union-attr]
            if about[2] != OUTGOING and random.random() >= loss:
                count += 1
                heapq.heappush(waiting, (time.monotonic() + delay, count, key.data, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, sock, frame = heapq.heappop(waiting)
            with contextlib.suppress(OSError):  # the other end is down: a wire does not mind
                sock.send(frame)


if __name__ == "__main__":
    {"plain": plain, "relay": relay}[sys.argv[1]](*sys.argv[2:])
