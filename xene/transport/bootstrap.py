"""The one command that is run on a host: find the agent's code, ask for it where it is missing, become `attach`.

Called by `ssh`. Pure: text from data. The command must come unharmed through whatever login shell the host
has (sh, bash, zsh, dash, fish, csh), hence the rules of `PROGRAM`: no single quote, no `!`, no backslash, no
line end once it is packed. Data never becomes part of the program: it travels as quoted arguments.
"""

from __future__ import annotations

import json
import shlex

SEND = b"\nXENE-SEND-1\n"  # what the bootstrap prints when it wants the bytes of the bundle
OLDEST_PYTHON = (3, 9)

# argv: HOME SHA SIZE, then what `attach` gets. Its first lines must be readable to any Python at all.
PROGRAM = """\
import os, sys
home, sha, size = sys.argv[1:4]
if sys.version_info < (3, 9):
    sys.exit("xene-agent: PythonTooOld: " + sys.executable + " is Python " + sys.version.split()[0])
home = os.path.expanduser(home)
agent = os.path.join(home, "agent")
code = os.path.join(agent, sha, "__main__.py")
def own(path):
    if os.path.lexists(path):
        found = os.lstat(path)
        if not found.st_uid == os.geteuid() or found.st_mode & 18:
            sys.exit("xene-agent: HomeUnusable: " + path + " is not ours alone: others can write to it")
for path in (home, agent, os.path.dirname(code), code):
    own(path)
def obtain():
    import hashlib, tempfile
    path = os.path.join(agent, sha + ".pyz")
    if os.path.isfile(path):
        with open(path, "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() == sha:
                return path
    before = os.umask(63)
    os.makedirs(agent, exist_ok=True)
    os.umask(before)
    fd, temporary = tempfile.mkstemp(".tmp", dir=agent)
    try:
        print(chr(10) + "XENE-SEND-1", flush=True)
        left, digest = int(size), hashlib.sha256()
        with open(fd, "wb") as file:
            while left:
                data = os.read(0, min(left, 65536))
                if not data:
                    sys.exit("xene-agent: UploadFailed: the connection ended during the upload")
                left -= len(data)
                digest.update(data)
                file.write(data)
            file.flush()
            os.fsync(fd)
        if digest.hexdigest() < sha or digest.hexdigest() > sha:
            sys.exit("xene-agent: UploadFailed: other bytes came than were sent")
        os.rename(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return path
try:
    if not os.path.isfile(code):
        code = obtain()
except OSError as error:
    sys.exit("xene-agent: HomeUnusable: %s: %s" % (home, error))
if code.endswith(".pyz"):
    import zipfile
    with zipfile.ZipFile(code) as archive:
        text = archive.read("__main__.py").decode()
    code = os.path.join(code, "__main__.py")
else:
    with open(code) as file:
        text = file.read()
sys.argv = [code, "attach", "--home", home] + sys.argv[4:]
exec(compile(text, code, "exec"), {"__name__": "__main__", "__file__": code})
"""


def command(*, python: str, home: str, state: str, agent: str, sha: str, size: int) -> str:
    """The command line for a host's login shell."""
    words = ["-I", "-S", "-c", f"exec({json.dumps(PROGRAM)})", home, sha, str(size)]
    words += ["--state", state, "--agent", agent, "--python", python]
    return " ".join([_program(python), *map(shlex.quote, words)])


def _program(python: str) -> str:
    """A leading `~/` is left to the shell, which alone knows the way home before Python runs."""
    if python.startswith("~/"):
        return "~/" + shlex.quote(python[2:])
    return shlex.quote(python)
