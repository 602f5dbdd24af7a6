"""A stand-in for the agent: the real bundle's start, around a program that prints the marker and echoes frames."""

import hashlib
import io
import zipfile

from xene import errors
from xene.transport import bundle
from xene.wire import frames

PROGRAM = """
import os, sys

MARKER = b"\\nXENE-AGENT-1\\n"


def main():
    if os.environ.get("STANDIN_FAILS"):
        sys.stderr.write("noise\\nxene-agent: HomeUnusable: the home is on NFS\\n")
        return 3
    if os.environ.get("STANDIN_DUMB"):
        sys.stdin.read()
        return 0
    os.write(1, b"Welcome to this host!\\n" + MARKER)
    sys.stderr.write("argv " + " ".join(sys.argv[1:]) + "\\nfrom " + __file__ + "\\n")
    sys.stderr.flush()
    while True:
        data = os.read(0, 65536)
        if not data:
            return 0
        while data:
            data = data[os.write(1, data):]
"""


def make(program: str = PROGRAM, *, wire: bool = False) -> bundle.Bundle:
    """A bundle around `program`; with `wire` the frames ship too."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__main__.py", bundle.MAIN)
        archive.writestr("xene/__init__.py", "")
        archive.writestr("xene/agent/__init__.py", "")
        archive.writestr("xene/agent/main.py", program)
        if wire:
            for module in (errors, frames):
                archive.write(module.__file__, module.__name__.replace(".", "/") + ".py")
            archive.writestr("xene/wire/__init__.py", "")
    data = buffer.getvalue()
    return bundle.Bundle("", hashlib.sha256(data).hexdigest(), lambda: data)
