"""The agent's code as one reproducible file, `xene-agent.pyz`, whose sha256 is its version.

Called by whatever opens a channel. It zips what ships (ARCHITECTURE 2) under its own names, with fixed dates,
in order, and stored, not deflated: the bytes must not depend on this machine's zlib. Kept in the user's cache
directory and built only when a source's stat has changed, since every attach needs its digest.
It must not import anything heavy: it runs before the local agent is started.
"""

from __future__ import annotations

import os
import sys
from binascii import crc32
from importlib.machinery import PathFinder
from stat import S_ISDIR
from typing import Callable, NamedTuple

SHIPPED = ("__init__.py", "errors.py", "model", "engine", "wire", "agent")
BORROWED = {"cronsim": ("__init__.py", "cronsim.py")}  # of other packages; pure Python that runs under 3.9
KEPT = 8  # bundles of other versions and checkouts that stay in the cache


class Bundle(NamedTuple):
    """`path` is "" where the cache directory cannot be written; `data` gives the bytes of the file."""

    path: str
    sha: str
    data: Callable[[], bytes]


# What the zip and its unpacked directory start with. Runs under 3.9; says nothing; unpacks once.
MAIN = '''\
"""Start the agent; from a zip, unpack it beside itself first (a zip is compiled anew at every start).

What is imported is compiled then, and kept: most hosts never need the half of it."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def sync(paths, faults):
    try:
        for path in paths:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
    except OSError as error:
        faults.append(error)


def apart(directory):
    """As `xene.agent.home.spread`: what is unpacked here has nothing to do with what was removed."""
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, 0x80086601, bytes(4)), sys.byteorder)
        fcntl.ioctl(descriptor, 0x40086602, (flags | 0x20000).to_bytes(4, sys.byteorder))
    except OSError:
        pass
    finally:
        os.close(descriptor)


def unpack(archive):
    import hashlib, io, shutil, tempfile, threading, zipfile

    with open(archive, "rb") as file:
        data = file.read()
    sha = hashlib.sha256(data).hexdigest()
    parent = os.path.dirname(archive)
    home = os.path.join(parent, sha)
    if os.path.isfile(os.path.join(home, "__main__.py")):
        return home
    apart(parent)
    umask = os.umask(0o077)
    temporary = tempfile.mkdtemp(prefix=".unpack-", dir=parent)
    try:
        zipfile.ZipFile(io.BytesIO(data)).extractall(temporary)
        paths = []
        for folder, _, names in list(os.walk(temporary)):
            paths += [os.path.join(folder, name) for name in names]
            os.mkdir(os.path.join(folder, "__pycache__"))  # now, while the umask is ours
        faults = []  # side by side: a journalling file system makes many durable in one go
        parts = [threading.Thread(target=sync, args=(paths[part::16], faults)) for part in range(16)]
        for part in parts:
            part.start()
        for part in parts:
            part.join()
        if faults:
            raise faults[0]
        os.rename(temporary, home)
    except OSError:
        if not os.path.isfile(os.path.join(home, "__main__.py")):
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.umask(umask)
    return home


def start():
    home = HERE
    if os.path.isfile(HERE):
        try:
            home = unpack(HERE)
        except OSError as error:
            sys.stderr.write("xene-agent: HomeUnusable: cannot unpack the agent: %s\\n" % error)
            sys.exit(1)
    sys.path.insert(0, home)
    from xene.agent.main import main

    sys.exit(main())


if __name__ == "__main__":
    start()
'''


def build() -> Bundle:
    """The bundle of this very Xene, out of the cache when no source has changed. Safe beside other builders."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    cache = cache_directory()
    index = os.path.join(cache, f"bundle-{crc32(root.encode('utf-8', 'surrogateescape')):08x}.txt")
    fingerprint = _fingerprint(root)
    sha = _remembered(index, fingerprint) if is_private(cache) else ""
    path = os.path.join(cache, f"{sha}.pyz")
    if sha and os.path.isfile(path):
        return Bundle(path, sha, lambda: _read(path, sha) or _contents(root))
    return _build(root, cache, index, fingerprint)


def cache_directory() -> str:
    """Where `platformdirs.user_cache_dir("xene")` says; on Linux without the 15 ms of importing that."""
    if sys.platform == "linux":
        base = os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")
        return os.path.join(base, "xene")
    import platformdirs

    return platformdirs.user_cache_dir("xene")


def is_private(directory: str) -> bool:
    """Whether nobody else can have put anything there: what is cached is run, here and on every host."""
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    return S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def make_private(directory: str) -> None:
    """Make a directory (0700) and what is missing above it; take the bits of others from ours. Raises OSError."""
    if not os.path.isdir(directory):
        _make(directory)
    if not is_private(directory):
        raise PermissionError(f"{directory} may be written by others")
    os.chmod(directory, 0o700)


def _make(directory: str) -> None:
    if not os.path.isdir(os.path.dirname(directory)):
        _make(os.path.dirname(directory))
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:  # another builder was quicker
        pass


def sources(root: str) -> list[os.DirEntry[str]]:
    """Every file that ships, `root` being the package's directory."""
    found: list[os.DirEntry[str]] = []
    with os.scandir(root) as entries:
        top = [entry for entry in entries if entry.name in SHIPPED]
    while top:
        entry = top.pop()
        if entry.is_dir():
            if entry.name != "__pycache__":
                with os.scandir(entry.path) as entries:
                    top.extend(entries)
        elif entry.name.endswith(".py"):
            found.append(entry)
    return sorted(found, key=lambda entry: entry.path)


def borrowed() -> dict[str, str]:
    """The files of other packages that ship, by their names in the zip. Raises ImportError where one is missing."""
    found = {}
    for package, files in BORROWED.items():
        spec = PathFinder.find_spec(package)
        if spec is None or spec.origin is None:
            raise ImportError(f"the package {package} is not installed")
        home = os.path.dirname(spec.origin)
        found.update({f"{package}/{name}": os.path.join(home, name) for name in files})
    return found


def _fingerprint(root: str) -> str:
    lines = [f"{root} {crc32(MAIN.encode())}"]
    for path, stat in [(entry.path, entry.stat()) for entry in sources(root)] + [
        (path, os.stat(path)) for path in borrowed().values()
    ]:
        lines.append(f"{path} {stat.st_mtime_ns} {stat.st_size} {stat.st_ino}")
    return "\n".join(lines)


def _remembered(index: str, fingerprint: str) -> str:
    """The digest that was built from these very sources, or ""."""
    try:
        with open(index, encoding="utf-8", errors="surrogateescape") as file:
            sha, _, known = file.read().partition("\n")
    except OSError:
        return ""
    return sha if known == fingerprint else ""


def _read(path: str, sha: str) -> bytes:
    """The cached file; b"" where it is gone or is not what its name says."""
    import hashlib

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return b""
    return data if hashlib.sha256(data).hexdigest() == sha else b""


def _contents(root: str) -> bytes:
    import io
    import zipfile

    paths = {
        "xene/" + os.path.relpath(entry.path, root).replace(os.sep, "/"): entry.path
        for entry in sources(root)
    }
    names = {"__main__.py": MAIN.encode()}
    for name, path in {**paths, **borrowed()}.items():
        with open(path, "rb") as file:
            names[name] = file.read()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(names.items()):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o100600 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _build(root: str, cache: str, index: str, fingerprint: str) -> Bundle:
    import hashlib

    data = _contents(root)
    sha = hashlib.sha256(data).hexdigest()
    path = os.path.join(cache, f"{sha}.pyz")
    try:
        make_private(cache)
        _prune(cache)
        write_whole(path, data)
        write_whole(index, f"{sha}\n{fingerprint}".encode("utf-8", "surrogateescape"))
    except OSError:
        path = ""  # no cache: built anew each time, which costs some 30 ms and nothing else
    return Bundle(path, sha, lambda: data)


def write_whole(path: str, data: bytes) -> None:
    """Write a 0600 file that is there whole or not at all, whoever else writes it. Raises OSError."""
    temporary = f"{path}.{os.getpid()}.{int.from_bytes(os.urandom(4), 'big'):x}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _prune(cache: str) -> None:
    """Let go of the oldest bundles; one that another process still wants is simply built again."""
    with os.scandir(cache) as entries:
        old = [(entry.stat().st_mtime, entry.path) for entry in entries if entry.name.endswith(".pyz")]
    for _, path in sorted(old, reverse=True)[KEPT - 1 :]:
        try:
            os.unlink(path)
        except FileNotFoundError:  # another builder was quicker
            pass


def old_files(now: float, idle: float) -> list[str]:
    """Cached bundles of other versions, and what was half written, not touched for `idle` seconds.

    Whoever still wants one builds it again.
    """
    current = os.path.basename(build().path)
    try:
        with os.scandir(cache_directory()) as entries:
            return [
                entry.path
                for entry in entries
                if entry.name.endswith((".pyz", ".tmp"))
                and entry.name != current
                and now - entry.stat().st_mtime > idle
            ]
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    built = build()
    print(built.path, built.sha, len(built.data()))
