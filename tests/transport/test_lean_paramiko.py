"""paramiko without what it does not need."""

import subprocess
import sys

CODE = """
import sys, xene.transport.connection
assert "paramiko" in sys.modules
print(*[name for name in ("invoke", "asyncio", "yaml") if name in sys.modules])
import invoke
"""


def test_it_brings_no_task_runner_along_and_hides_none():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
