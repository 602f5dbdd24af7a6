"""What others can write to is neither run nor trusted; what Xene writes is 0600 or in 0700, whatever the umask."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.terminal import Terminal
from tests.hosts import agent_homes
from xene.errors import NotTrusted, XeneError
from xene.manifest import cache, repository
from xene.transport import bootstrap, bundle, local
from xene.transport.base import Target

NOBODY = 65534
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
HELLO = """
apiVersion: xene/v1
kind: Workflow
metadata: {name: hello}
spec:
  pipelines:
    p:
      tasks:
        t: {outputs: [a], steps: [{name: s, run: 'echo "a=b" >"$XENE_OUTPUT"; echo hi; umask'}]}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def plant(home: Path, sha: str, mark: Path) -> None:
    """What an attacker lays where the agent's code will be looked for."""
    code = home / "agent" / sha
    code.mkdir(parents=True)
    (code / "__main__.py").write_text(f"open({str(mark)!r}, 'w').close()\n")


def give_away(home: Path, how: str) -> None:
    if how == "mode":
        home.chmod(0o777)
    elif how == "code":
        (home / "agent").chmod(0o770)
    else:
        os.chown(home, NOBODY, NOBODY)


HOWS = ["mode", "code", pytest.param("owner", marks=ROOT)]


@pytest.mark.parametrize("how", HOWS)
def test_planted_code_is_not_run_here(tmp_path: Path, how: str) -> None:
    built = bundle.build()
    plant(tmp_path / "home", built.sha, tmp_path / "mark")
    give_away(tmp_path / "home", how)
    with pytest.raises(NotTrusted) as caught:
        local.open_channel(Target("a", None, home=str(tmp_path / "home"), state="s"), built)
    assert caught.value.code == "HomeUnusable" and not (tmp_path / "mark").exists()


@pytest.mark.parametrize("how", HOWS)
def test_planted_code_is_not_run_on_a_host(tmp_path: Path, how: str) -> None:
    built = bundle.build()
    plant(tmp_path / "home", built.sha, tmp_path / "mark")
    give_away(tmp_path / "home", how)
    line = bootstrap.command(
        python=sys.executable, home=str(tmp_path / "home"), state="s", agent="a", sha=built.sha, size=1
    )
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=30)
    assert "xene-agent: HomeUnusable: " in done.stderr and done.returncode == 1
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("how", ["mode", pytest.param("owner", marks=ROOT)])
def test_a_poisoned_cache_of_bundles_is_not_used(own_cache: Path, how: str) -> None:
    honest = bundle.build()
    folder = own_cache / "xene"
    evil = b"evil"
    import hashlib

    sha = hashlib.sha256(evil).hexdigest()
    (folder / f"{sha}.pyz").write_bytes(evil)
    (index,) = folder.glob("bundle-*.txt")
    index.write_text(index.read_text().replace(honest.sha, sha))
    assert bundle.build().sha == sha  # so it would be, were it not for:
    folder.chmod(0o777) if how == "mode" else os.chown(folder, NOBODY, NOBODY)
    assert bundle.build().sha == honest.sha and bundle.build().data() == honest.data()


@pytest.mark.parametrize("how", ["mode", "file", pytest.param("owner", marks=ROOT)])
def test_a_poisoned_cache_of_manifests_is_not_used(own_cache: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.yaml").write_text(HELLO)
    root = str(tmp_path / "repo")
    repository.load(root)
    assert cache.load(root)
    if how == "mode":
        (own_cache / "xene" / "manifests").chmod(0o777)
    elif how == "file":
        Path(cache.path_for(root)).chmod(0o644)
    else:
        os.chown(own_cache / "xene" / "manifests", NOBODY, NOBODY)
    assert cache.load(root) == {}
    assert repository.load(root).problems == ()


@pytest.mark.parametrize("how", ["link", "mode", "file", pytest.param("owner", marks=ROOT)])
def test_the_directory_of_run_file_is_refused_where_it_is_another_users(tmp_path: Path, how: str) -> None:
    spot = tmp_path / f"xene-{os.geteuid()}"
    if how == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        spot.symlink_to(tmp_path / "elsewhere")
    elif how == "file":
        spot.write_text("")
    else:
        spot.mkdir(mode=0o700)
        spot.chmod(0o707) if how == "mode" else os.chown(spot, NOBODY, NOBODY)
    (tmp_path / "a.yaml").write_text(HELLO)
    xene = Terminal(home=tmp_path / "home", cwd=tmp_path)
    done = xene("run", "a.yaml", TMPDIR=str(tmp_path))
    assert done.code == 5 and "is not a private directory of yours" in done.err
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    "how", ["everybody", pytest.param("home", marks=ROOT), pytest.param("file", marks=ROOT)]
)
@pytest.mark.parametrize("words", [("get", "runs"), ("apply", "--yes", "a.yaml")])
def test_a_state_of_another_user_is_refused(tmp_path: Path, how: str, words: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "state.db").write_text("")
    (tmp_path / "a.yaml").write_text(HELLO)
    if how == "everybody":
        home.chmod(0o777)
    else:
        os.chown(home if how == "home" else home / "state.db", NOBODY, NOBODY)
    done = Terminal(home=home, cwd=tmp_path)(*words)
    assert done.code == 8 and ("belongs to another user" in done.err or "by everybody" in done.err)
    assert [path.name for path in home.iterdir()] == ["state.db"]


def test_the_lock_never_follows_a_link(tmp_path: Path) -> None:
    from xene.control.lock import Lock

    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "state.db.lock").symlink_to(precious)
    with pytest.raises((XeneError, OSError)):
        Lock(str(tmp_path / "state.db")).acquire()
    assert precious.read_text() == "precious"


def loose(root: Path) -> list[str]:
    """What has bits for others, but for what steps themselves wrote, with the umask that is theirs."""
    found = []
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) & 0o077 and not path.endswith(".output"):
                found.append(f"{stat.S_IMODE(mode):o} {os.path.relpath(path, root)}")
    return found


@pytest.mark.parametrize("umask", [0, 0o077])
def test_everything_written_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """apply, run, logs and `run FILE`, on the control host and in the homes of agents."""
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    (cwd / "hello.yaml").write_text(HELLO)
    (cwd / "agent.yaml").write_text(
        "apiVersion: xene/v1\nkind: Agent\nmetadata: {name: a}\n"
        f"spec: {{local: {{}}, home: {tmp_path}/deep/er/agent-home}}\n"
    )
    (tmp_path / "tmp").mkdir(mode=0o700)
    before = os.umask(umask)
    try:
        with agent_homes(tmp_path):
            xene = Terminal(home=tmp_path / "x" / "home", cwd=cwd, more={"TMPDIR": str(tmp_path / "tmp")})
            xene("apply", "--yes", ".", code=0)
            xene("run", "hello", code=0)
            logs = xene("logs", "hello/p", code=0).out
            xene("run", "hello.yaml", code=0)
            found = [line for part in ("x", "deep", "cache", "tmp") for line in loose(tmp_path / part)]
            tops = {part: stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("x", "deep", "cache")}
    finally:
        os.umask(before)
    assert "hi" in logs and f"{umask:04o}" in logs  # a step has the umask of whoever started the agent
    assert found == []
    assert set(tops.values()) == {0o700}


@ROOT
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_another_user_gets_nowhere(tmp_path: Any) -> None:
    """As nobody: the state, its logs and an agent's home cannot even be listed."""
    (tmp_path / "a.yaml").write_text(HELLO)
    with agent_homes(tmp_path):
        xene = Terminal(home=tmp_path / "home", cwd=tmp_path)
        xene("apply", "--yes", "a.yaml", code=0)
        xene("run", "hello", code=0)
        for folder in [tmp_path, *tmp_path.parents]:
            if folder.stat().st_uid == os.geteuid() and len(folder.parts) > 2:
                folder.chmod(0o755)  # pytest's own directories are private too: that must not be what helps
        for path in ("home/state.db", "home", "home/local"):
            done = subprocess.run(
                ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                 "sh", "-c", 'cat -- "$1" || ls -- "$1"', "sh", str(tmp_path / path)],
                capture_output=True, text=True, timeout=30,
            )  # fmt: skip
            assert done.returncode != 0 and done.stdout == "" and "ermission denied" in done.stderr
