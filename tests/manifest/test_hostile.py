"""Files that mean harm: each is told in a moment and in little memory, by a process that has no more.

The subprocess has 400 MiB of address space and 10 s, which is generous: the aim is one second. What is measured
is that it ends in time, ends well, and says the right thing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: a}\nspec:\n"
TASKS = HEAD + "  pipelines:\n    p:\n      tasks:\n"
READ = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
from xene.manifest import problems, repository
found = repository.load(sys.argv[1], cache=False)
said = [problems.render(problem) for problem in found.problems]
print(json.dumps([[p.code for p in found.problems], sum(map(len, said)), max(map(len, said), default=0)]))
"""
LAUGHS = "".join(
    f"  {chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
)

CASES = {
    "deep-flow": (HEAD + "  env: " + "[" * 10_000, "too-deep"),
    "very-deep-flow": ("[" * (4 << 20), "too-deep"),
    "deep-braces": ("{a: " * (1 << 20), "too-deep"),
    "deep-block": ("".join(" " * n + "a:\n" for n in range(2500)), "too-deep"),
    "deep-list": ("- " * (2 << 20), "too-deep"),
    "question-marks": ("? " * (1 << 20), "too-deep"),
    "laughs": (HEAD + "  a: &a [x,x,x,x,x,x,x,x,x]\n" + LAUGHS, "too-many-aliases"),
    "repeated-text": (HEAD + "  A: &a " + "x" * 1_000_000 + "\n" + "".join(f"  B{n}: *a\n" for n in range(10_000)),
                      "too-many-aliases"),
    "alias-chain": (HEAD + "  a0: &a0 [x]\n" + "".join(f"  a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(20_000)),
                    "too-deep"),
    "alias-of-itself": ("&a [*a]\n", "unknown-alias"),
    "many-values": ("[" + "a," * 2_000_000 + "]", "too-large"),
    "many-keys": (HEAD + "".join(f"  k{n}: b\n" for n in range(300_000)), "too-large"),
    "many-duplicates": (HEAD + "  a: b\n" * 500_000, "duplicate-key"),
    "many-documents": ("--- a\n" * 600_000, "wrong-type"),
    "many-bad-objects": ("---\nkind: Workflow\n" * 200_000, "missing-key"),
    "many-directives": ("".join(f"%TAG !a{n}! b\n" for n in range(200_000)) + "--- a\n", "yaml-syntax"),
    "many-tags": (HEAD + "".join(f"  a{n}: !x b\n" for n in range(100_000)), "unsupported-tag"),
    "many-tasks-with-typos": (TASKS + "".join(f"        t{n}: {{stepz: []}}\n" for n in range(50_000)),
                              "unknown-key"),
    "many-unknown-needs": (TASKS + "".join(f"        task-{n}: {{needs: [taks-{n}], steps: [{{name: a, run: x}}]}}"
                                           "\n" for n in range(19_000)), "unknown-task"),
    "long-number": (HEAD + "  env: {A: " + "9" * 3_000_000 + "}\n", "missing-key"),
    "long-duration": (TASKS + "        a: {steps: [{name: a, run: a, timeout: " + "9" * 3_000_000 + "d}]}\n",
                      "bad-duration"),
    "long-name": (HEAD.replace("{name: a}", "\n  name: " + "a-" * 1_500_000), "bad-name"),
    "long-kind": ("apiVersion: xene/v1\nkind: " + "Workflow" * 500_000 + "\n", "unknown-kind"),
    "many-templates": (HEAD + "  env: {A: '" + "${{ run.id }}" * 300_000 + "'}\n", "bad-template"),
    "many-bad-templates": (TASKS + "        a: {steps: [{name: a, run: a, env: {A: '" + "${{ run.x }}" * 4000
                           + "'}}]}\n", "unknown-reference"),
    "cruel-pattern": (HEAD + "  pipelines: {p: {params: {a: {type: string, pattern: '" + "(a*)*" * 150
                      + "b', default: '" + "a" * 100_000 + "'}}, tasks: {a: {steps: [{name: a, run: a}]}}}}\n",
                      "bad-pattern"),
    "huge-pattern": (HEAD + "  pipelines: {p: {params: {a: {type: string, pattern: '((a{1,900}){1,900}){1,900}'}}, "
                     "tasks: {a: {steps: [{name: a, run: a}]}}}}\n", "bad-pattern"),
    "latin-1": (b"a: \xe9\n", "not-utf8"),
    "utf-16": ("a: b".encode("utf-16"), "not-utf8"),
    "surrogate": (b"a: \xed\xa0\x80\n", "not-utf8"),
    "nul": (b"a: b\0\n", "control-character"),
    "nul-escape": (b'a: "b\\0"\n', "control-character"),
    "escape": (b"a: \x1b[31m\n", "control-character"),
}  # fmt: skip


def read(path) -> tuple[list[str], int, int]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], env=environ, capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 0, done.stderr[-2000:]
    codes, whole, longest = json.loads(done.stdout)
    return codes, whole, longest


@pytest.mark.parametrize("name", CASES)
def test_hostile(name, tmp_path):
    data, code = CASES[name]
    (tmp_path / "a.yaml").write_bytes(data if isinstance(data, bytes) else data.encode())
    codes, whole, longest = read(tmp_path)
    assert code in codes
    assert len(codes) <= 102
    assert whole < 100_000 and longest < 2000


def test_a_file_of_a_hundred_megabytes_is_refused_unread(tmp_path):
    with open(tmp_path / "a.yaml", "wb") as file:
        file.truncate(100 << 20)
    codes, _, _ = read(tmp_path)
    assert codes == ["too-large"]
