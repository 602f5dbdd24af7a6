"""Where no template may be: in what a shell reads as a script, in half an argument, and elsewhere. Pure.

Called by `templates`. Nothing is ever pasted into a script: a template in `run` or `shell` is a problem, and in
`exec` it fills a whole argument.
"""

from __future__ import annotations

import re
from typing import Any

from xene.manifest.findings import Finding, Path
from xene.manifest.problems import quoted

_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh")
_SCRIPT_OPTION = re.compile(r"-[A-Za-z]*c\Z")
_REFERENCE = re.compile(r"\$\{\{\s*([A-Za-z_][\w.\-\[\]']*)\s*\}\}")
_TAKEN = ("HOME", "IFS", "LANG", "PATH", "SHELL", "TMPDIR", "TZ", "USER")


def is_script(arguments: list[Any], index: int) -> bool:
    """Whether this argument of `exec` is the script of a shell."""
    program = str(arguments[0]).rpartition("/")[2]
    before = arguments[index - 1] if index else ""
    return program in _SHELLS and isinstance(before, str) and bool(_SCRIPT_OPTION.match(before))


def pasted(text: str, path: Path, where: str) -> Finding:
    """The problem of a template in `run` or `shell`, with the way to write it."""
    match = _REFERENCE.search(text)
    name = match.group(1) if match else "params.NAME"
    variable = re.sub(r"[^A-Za-z0-9]+", "_", name.rpartition(".")[2]).strip("_").upper() or "VALUE"
    variable = variable if not variable[0].isdigit() else "V_" + variable
    variable = variable + "_VALUE" if variable in _TAKEN else variable
    hint = (
        f'put it into the environment, env: {{{variable}: "${{{{ {name} }}}}"}}, and write "${variable}" here'
    )
    return Finding(
        path, "pasted-into-script", f"nothing is pasted into {where}: data would become code", hint, nth=0
    )


def half_argument(path: Path) -> Finding:
    """The problem of a template beside other text in an argument of `exec`."""
    message = "in 'exec' a template must be a whole argument"
    hint = "make it an argument of its own, or build the text in 'env'"
    return Finding(path, "bad-template", message, hint, nth=0)


def elsewhere(path: Path) -> Finding:
    """The problem of a template at a place where none is rendered."""
    name = next((key for key in reversed(path) if isinstance(key, str)), "")
    message = f"a template is not allowed in {quoted(name)}"
    hint = "templates may stand in env, workDir, exec, an image, an approval's message, and as an axis of a matrix"
    return Finding(path, "bad-template", message, hint, nth=0)
