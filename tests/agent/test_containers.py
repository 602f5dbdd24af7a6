"""Steps in a real podman: exit codes, environment, files, and that nothing is left of them, however they end."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.containers import Podman, podman_engine
from tests.hosts import until
from xene.agent import containers, inside, process
from xene.agent.closing import Closings, Leftovers, remember, remembered
from xene.agent.entrance import ENTER, HIDDEN
from xene.agent.process import WRAPPER, Launch, Process
from xene.agent.stopping import Stopping
from xene.engine.environment import Command
from xene.model import phases
from xene.model.workflow import Container

RUN = "20261123-023000-k7q2m4xa"
NASTY = {
    "QUOTES": "'\"`$(touch /tmp/pwned)\\ \n second line\n",
    "EMPTY": "",
    "EQUALS": "a=b=c",
    "UMLAUT": "grün \U0001f600",
    "PATH": "/nowhere:/bin",
    "HOME": "/nonexistent",
    "DOCKER_HOST": "tcp://192.0.2.1:1",
    "CONTAINERS_CONF": "/nonexistent",
    "name": "lower",
    "code": "17",
    "UID": "4711",
}


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with podman_engine() as engine:
        yield engine


class Bench:
    """What the daemon does for a run, step by step. Every step is stopped and the container closed at the end."""

    def __init__(self, podman: Podman, place: Path) -> None:
        self.podman, self.place = podman, str(place)
        self.spec = Container(image=podman.image, engine=podman.name, network="none")
        self.wrapper, self.enter = place.parent / "step.sh", place.parent / "enter.sh"
        self.wrapper.write_text(WRAPPER)
        self.enter.write_text(ENTER)
        for name in ("", "workspace", "logs", "steps", "artifacts"):
            (place / name).mkdir(mode=0o700)
        self.workspace = place / "workspace"
        self.closings = Closings(str(place.parent / "engines.log"))
        self.pids: dict[int, int] = {}

    @property
    def room(self) -> containers.Room:
        return containers.room(RUN, "default", self.spec, self.place, self.podman.env)

    def base(self, seq: int) -> str:
        return f"{self.place}/steps/{seq:04d}"

    def prepare(self) -> None:
        labels = [f"{containers.RUN_LABEL}={RUN}", containers.home_label(self.place)]
        containers.prepare(self.room, self.spec, labels, self.place, str(Path(self.place).parent))

    def start(self, seq: int, script: str = "", exec: list[str] | None = None, **env: str) -> int:
        self.prepare()
        command = Command(exec or [], None if exec else script, "sh", ".", env)
        line = containers.lay_step(self.room, self.base(seq), seq, command)
        step = {**env, "XENE_RUN": RUN, "XENE_OUTPUT": self.room.base(seq) + ".output"}
        where = str(self.workspace)
        argv = containers.entry(
            self.room, str(self.enter), self.base(seq), seq, where, 0o022, line, list(step)
        )
        client = containers.client_environment(self.podman.env, step)
        client["XENE_STEP_ID"] = f"{RUN}.{seq}"
        launch = Launch(self.base(seq), f"{self.place}/logs/{seq}", where, argv, client)
        self.pids[seq] = process.start(launch, str(self.wrapper), 0o022)
        return self.pids[seq]

    def wait(self, seq: int) -> int:
        _, status = os.waitpid(self.pids[seq], 0)
        return os.waitstatus_to_exitcode(status)

    def run(self, seq: int, script: str = "", exec: list[str] | None = None, **env: str) -> int:
        self.start(seq, script, exec, **env)
        return self.wait(seq)

    def log(self, seq: int) -> str:
        return Path(f"{self.place}/logs/{seq}").read_text(errors="replace")

    def tree(self, seq: int) -> inside.Tree:
        room, root = self.room, process.claim(self.base(seq))
        mark = f"XENE_STEP_ID={RUN}.{seq}"
        return inside.Tree(mark, root, room.engine, room.name, self.base(seq) + ".inside", self.podman.env)

    def stop(self, seq: int, grace: float) -> None:
        """What `steps` does at a timeout or a cancel."""
        tree = self.tree(seq)
        stopping = Stopping(tree.find, grace, time.monotonic(), tree.send)
        until(
            lambda: time.monotonic() >= stopping.next_at and stopping.step(time.monotonic()), "it is stopped"
        )

    def close(self) -> None:
        engines = [engine for engine, _ in containers.opened(self.place)]
        gone: list[bool] = []
        now = time.monotonic()
        self.closings.begin(
            RUN, engines, str(self.workspace), self.podman.env, now, lambda: gone.append(True)
        )
        while not gone:
            for pid in self.closings.pids():
                _, status = os.waitpid(pid, 0)
                self.closings.exited(pid, status, time.monotonic())
            self.closings.tick(time.monotonic())


@pytest.fixture
def bench(podman: Podman, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(podman, tmp_path / RUN)
    yield bench
    bench.close()
    assert podman.names() == []
    until(lambda: process.members(f"XENE_RUN={RUN}", None) == set(), "its processes are gone")


def told(bench: Bench, seq: int) -> tuple[str, str]:
    found = containers.trouble(bench.base(seq))
    assert found is not None, bench.log(seq)
    return found


# -- what a step sees and leaves


def test_exit_code_output_and_log(bench: Bench) -> None:
    assert bench.run(1, "echo out; echo err >&2; echo k=v >> $XENE_OUTPUT; exit 7") == 7
    assert bench.log(1) == "out\nerr\n"
    assert Path(bench.room.base(1) + ".output").read_text() == "k=v\n"
    assert containers.trouble(bench.base(1)) is None
    assert process.exit_code(bench.base(1)) == 7


def test_exit_codes_that_engines_use_too(bench: Bench) -> None:
    for seq, code in enumerate([1, 125, 126, 127, 137, 143, 255], 1):
        assert bench.run(seq, f"exit {code}") == code
        assert containers.trouble(bench.base(seq)) is None


def test_one_container_for_all_steps(bench: Bench) -> None:
    for seq in range(1, 6):
        bench.start(seq, f"echo {seq} >> /tmp/seen; hostname")
    assert [bench.wait(seq) for seq in range(1, 6)] == [0] * 5
    assert bench.podman.names() == [bench.room.name]
    assert bench.run(6, "sort /tmp/seen | tr -d '\\n'") == 0
    assert bench.log(6) == "12345"
    assert len({bench.log(seq) for seq in range(1, 6)}) == 1


def test_exec_is_a_program_never_the_shells_own(bench: Bench) -> None:
    assert bench.run(1, exec=["test", "a b", "=", "a b"]) == 0
    assert bench.run(2, exec=["trap", "-"]) == 127
    assert bench.run(3, exec=["no-such-program"]) == 127
    assert "no-such-program" in bench.log(3)
    assert bench.run(4, exec=["printf", "%s|", "$HOME", "", "it's"]) == 0
    assert bench.log(4) == "$HOME||it's|"


def test_environment_comes_whole_and_by_name(bench: Bench) -> None:
    bench.start(
        1, "env -0 > env; cat env > artifacts; touch ready; while [ -e ready ]; do sleep 0.05; done", **NASTY
    )
    until((bench.workspace / "ready").exists, "the step runs")
    lines = [told_by(pid, "cmdline") for pid in os.listdir("/proc") if pid.isdigit()]
    (bench.workspace / "ready").unlink()
    assert bench.wait(1) == 0, bench.log(1)
    seen = dict(
        part.split("=", 1) for part in (bench.workspace / "env").read_bytes().decode().split("\0") if part
    )
    assert {name: seen.get(name) for name in NASTY} == NASTY
    assert not [name for name in seen if name.startswith(HIDDEN)]
    assert set(seen) <= {
        *NASTY,
        "XENE_RUN",
        "XENE_OUTPUT",
        "XENE_STEP_ID",
        "PWD",
        "TERM",
        "HOSTNAME",
        "container",
    } | {"SHLVL"}
    for name in ("QUOTES", "UMLAUT", "HOME", "DOCKER_HOST"):
        assert not [line for line in lines if NASTY[name] in line], name


def test_the_images_own_path_and_home_hold(bench: Bench) -> None:
    assert bench.run(1, 'echo "$HOME $PATH"') == 0
    assert bench.log(1).startswith("/root /usr/local/sbin:")


def test_nothing_of_a_value_stays_on_disk(bench: Bench) -> None:
    value = "s3cr3t-" + os.urandom(8).hex()
    assert bench.run(1, "true", TOKEN=value) == 0
    bench.close()
    for root in (bench.podman.root, Path(bench.place)):
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert value.encode() not in path.read_bytes(), path


def test_workspace_is_shared_with_bare_steps_and_keeps_owner_and_umask(bench: Bench) -> None:
    (bench.workspace / "given").write_text("from outside")
    assert bench.run(1, "pwd; cat given; echo made > sub; mkdir -p deep/er") == 0
    assert bench.log(1) == f"{bench.workspace}\nfrom outside"
    made = (bench.workspace / "sub").stat()
    assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (os.getuid(), 0o644)


def test_another_user_can_write_and_its_files_can_be_removed(bench: Bench) -> None:
    bench.spec = replace(bench.spec, user="worker")
    assert (
        bench.run(1, "id -un; echo x > mine; mkdir -m 700 own; echo y > own/file; echo a=b >> $XENE_OUTPUT")
        == 0
    )
    assert bench.log(1) == "worker\n"
    assert Path(bench.room.base(1) + ".output").read_text() == "a=b\n"
    bench.close()
    assert os.access(bench.workspace / "own" / "file", os.W_OK)


def test_mounts(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("given")
    bench.spec = replace(bench.spec, mounts=(f"{tmp_path}/data:/data:ro", "~/.cache/go:/cache"))
    script = "cat /data/file; echo kept > /cache/it; ! touch /data/other"
    assert bench.run(1, script) == 0, bench.log(1)
    assert "given" in bench.log(1)
    assert (tmp_path / ".cache" / "go" / "it").read_text() == "kept\n"


def test_a_mount_that_is_not_there(bench: Bench) -> None:
    bench.spec = replace(bench.spec, mounts=("/no/such/place:/data",))
    with pytest.raises(containers.ContainerTrouble, match="there is no /no/such/place on this host"):
        bench.run(1, "true")


def test_network_none_has_only_loopback(bench: Bench) -> None:
    assert bench.run(1, "ls /sys/class/net; cat /proc/net/dev | tail -n +3 | wc -l") == 0
    assert bench.log(1).splitlines()[-1] == "1"


def test_limits_are_given_to_the_engine(bench: Bench) -> None:
    spec = replace(bench.spec, memory="64Mi", cpus=0.5)
    argv = containers.create(bench.room, spec, (), (), ())
    assert argv[argv.index("--memory") + 1] == "67108864b"
    assert argv[argv.index("--cpus") + 1] == "0.5"


def test_limits_hold(bench: Bench) -> None:
    bench.spec = replace(bench.spec, memory="64Mi")
    if bench.run(1, "true") != 0:
        pytest.skip(f"the cgroups of this machine give NO MEMORY LIMIT: {told(bench, 1)[1]}")
    hoard = "x=$(head -c 200000000 /dev/zero | tr '\\0' 'x'); echo ${#x}"
    assert bench.run(2, hoard) == 137
    assert bench.run(3, "echo still here") == 0


# -- what cannot be had


def test_no_engine() -> None:
    with pytest.raises(containers.ContainerTrouble, match="neither podman nor docker") as error:
        containers.find_engine("auto", "/nonexistent")
    assert error.value.reason == phases.CONTAINER_ENGINE_MISSING
    with pytest.raises(containers.ContainerTrouble, match="no docker"):
        containers.find_engine("docker", "/nonexistent")


def test_auto_takes_podman_first(tmp_path: Path) -> None:
    for name in ("docker", "podman"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert containers.find_engine("auto", str(tmp_path)) == str(tmp_path / name)


def test_an_image_that_is_not_there_and_never_pulled(bench: Bench) -> None:
    bench.spec = replace(bench.spec, image="localhost/other:1", pull="never")
    assert bench.run(1, "true") == 125
    reason, message = told(bench, 1)
    assert reason == phases.IMAGE_UNAVAILABLE
    assert "localhost/other:1 is not on this host" in message
    assert message in bench.log(1)


@pytest.mark.parametrize("pull", ["missing", "always"])
def test_an_image_that_cannot_be_pulled(bench: Bench, pull: str) -> None:
    bench.spec = replace(bench.spec, image="127.0.0.1:1/other:1", pull=pull)
    assert bench.run(1, "true") == 125
    reason, message = told(bench, 1)
    assert reason == phases.IMAGE_UNAVAILABLE and "cannot be pulled" in message


def test_a_pull_is_stopped_like_any_step(bench: Bench) -> None:
    bench.spec = replace(bench.spec, image="127.0.0.1:1/other:1", pull="always")
    bench.start(1, "true")
    until(lambda: "pulling" in bench.log(1), "the pull begins")
    bench.stop(1, 5)
    bench.wait(1)


def test_an_image_without_a_shell(bench: Bench) -> None:
    bench.spec = replace(bench.spec, image=bench.podman.bare)
    assert bench.run(1, "true") == 125
    reason, message = told(bench, 1)
    assert reason == phases.IMAGE_UNAVAILABLE and "has no 'sh'" in message
    assert bench.podman.names() == []


# -- the end of a step

BUSY = "n=0; while [ $n -lt 200000 ]; do n=$((n + 1)); done"
ESCAPING = """\
sleep 1001 &
setsid sleep 1002 &
( setsid sh -c 'sleep 1003 & exec sleep 1004' & ) &
( sleep 1005 & )
sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' &
touch ready
wait
"""


def sleepers(bench: Bench) -> int:
    """How many processes of ESCAPING live, as the host sees them: busybox's applets have no argv."""
    found = [one for one in process.members(mark(1), None) if inside._elsewhere(one.pid)]
    return sum(told_by(one.pid, "comm") == "sleep\n" for one in found)


def told_by(pid: int | str, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def test_a_whole_tree_is_killed_and_the_container_stays(bench: Bench) -> None:
    bench.start(1, ESCAPING)
    until((bench.workspace / "ready").exists, "the step runs")
    bench.start(2, "touch other; while [ -e other ]; do sleep 0.05; done; echo unharmed")
    until((bench.workspace / "other").exists, "the other step runs")
    until(lambda: sleepers(bench) == 6, "all of it runs")
    bench.stop(1, 0)
    assert bench.wait(1) != 0
    assert sleepers(bench) == 0
    (bench.workspace / "other").unlink()
    assert bench.wait(2) == 0
    assert bench.log(2) == "unharmed\n"


def test_a_step_has_its_grace_and_the_last_word(bench: Bench) -> None:
    bench.start(
        1, f"trap '{BUSY}; echo cleaned up; exit 3' TERM; touch ready; while :; do sleep 0.05 || :; done"
    )
    until((bench.workspace / "ready").exists, "the step runs")
    bench.stop(1, 20)
    assert bench.wait(1) == 3
    assert bench.log(1).endswith("cleaned up\n")


def test_a_client_that_is_killed_leaves_nothing_inside(bench: Bench) -> None:
    bench.start(1, "touch ready; sleep 1001")
    until((bench.workspace / "ready").exists, "the step runs")
    [client] = [
        pid for pid in os.listdir("/proc") if pid.isdigit() and is_client(told_by(pid, "cmdline"), bench)
    ]
    os.kill(int(client), signal.SIGKILL)
    assert bench.wait(1) == 125
    assert told(bench, 1)[0] == phases.EXIT_UNKNOWN
    bench.stop(1, 0)
    assert sleepers(bench) == 0
    assert bench.run(2, "echo next") == 0


def is_client(line: str, bench: Bench) -> bool:
    return line.startswith(bench.podman.program + "\0exec") and bench.room.name in line


def test_a_wrapper_that_is_killed_leaves_nothing_inside(bench: Bench) -> None:
    pid = bench.start(1, "touch ready; sleep 1001")
    until((bench.workspace / "ready").exists, "the step runs")
    os.kill(pid, signal.SIGKILL)
    assert bench.wait(1) == -signal.SIGKILL
    bench.stop(1, 0)
    assert sleepers(bench) == 0


def test_a_container_that_is_removed_under_a_step(bench: Bench) -> None:
    bench.start(1, "touch ready; sleep 1001")
    until((bench.workspace / "ready").exists, "the step runs")
    bench.podman.run("rm", "-f", bench.room.name)
    assert bench.wait(1) == 125
    assert told(bench, 1)[0] == phases.CONTAINER_LOST
    assert bench.run(2, "echo a new one") == 0, bench.log(2)
    assert bench.log(2) == "a new one\n"


def test_a_container_that_is_removed_between_steps(bench: Bench) -> None:
    assert bench.run(1, "true") == 0
    bench.podman.run("rm", "-f", bench.room.name)
    assert bench.run(2, "true") == 125
    assert told(bench, 2)[0] == phases.CONTAINER_LOST
    assert bench.run(3, "true") == 0


def test_one_that_was_killed_while_it_opened_the_container(bench: Bench) -> None:
    bench.prepare()
    Path(bench.room.door + ".begun").touch()
    bench.podman.run("run", "-d", "--name", bench.room.name, "--network", "none", bench.podman.image, "true")
    assert bench.run(1, "echo ours") == 0, bench.log(1)


def test_one_that_an_earlier_boot_had_is_made_anew(bench: Bench) -> None:
    assert bench.run(1, "true") == 0
    bench.podman.run("rm", "-f", bench.room.name)
    Path(bench.room.door + ".open").write_text("another boot\n")
    assert bench.run(2, "echo ours") == 0, bench.log(2)


def test_what_was_never_begun_is_not_asked_for(bench: Bench) -> None:
    bench.prepare()
    assert containers.opened(bench.place) == []
    assert bench.run(1, "true") == 0
    assert containers.opened(bench.place) == [(bench.room.engine, bench.room.name)]
    bench.close()
    containers.forget(bench.place)
    assert containers.opened(bench.place) == []
    assert bench.run(2, "true") == 0


WAKE = "for p in /proc/[0-9]*; do read -r name < $p/comm; [ $name != sleep ] || kill ${p#/proc/}; done"


def test_the_container_ends_with_the_directory_of_its_run(bench: Bench) -> None:
    assert bench.run(1, "true") == 0
    (Path(bench.place) / "inside").rename(Path(bench.place) / "moved")
    os.unlink(Path(bench.place) / "moved" / "default.container")
    bench.podman.run("exec", bench.room.name, "sh", "-c", WAKE, check=False)  # it may end before this does
    until(lambda: bench.podman.names() == [], "it is gone")


def test_orphans_are_reaped(bench: Bench) -> None:
    assert bench.run(1, "for n in 1 2 3 4 5; do (setsid sh -c 'sleep 0.05' &); done") == 0

    def all_gone() -> bool:
        left = bench.podman.run("exec", bench.room.name, "ps", "-o", "stat,args")
        return "sleep 0.05" not in left and "\nZ" not in left

    until(all_gone, "no zombie is left")


def test_the_entry_of_a_step_is_known(bench: Bench) -> None:
    bench.start(1, "touch ready; (sleep 1001 &); sleep 1002")
    until((bench.workspace / "ready").exists, "the step runs")
    until(lambda: sleepers(bench) == 2, "all of it runs")
    entries = [one for one in bench.tree(1).find() if inside.is_entry(one)]
    assert [told_by(one.pid, "cmdline").startswith("sh\0-c\0trap") for one in entries] == [True]


# -- where /proc hides what is inside


def test_what_the_container_lists_is_what_the_host_sees(bench: Bench) -> None:
    bench.start(1, ESCAPING, NOISE="a\nb\n", NUMBER="1")
    bench.start(11, "touch other; while [ -e other ]; do sleep 0.05; done")
    until((bench.workspace / "other").exists, "the other step runs")
    until(lambda: sleepers(bench) == 6, "all of it runs")
    lines = ask(bench, 1)
    found = inside.marked(lines)
    within = {one for one in process.members(mark(1), None) if inside._elsewhere(one.pid)}
    assert len(found) == len(within) >= 8
    assert {one.start for one in found} == {one.start for one in within}
    stop_by_asking(bench, 1)
    assert sleepers(bench) == 0
    (bench.workspace / "other").unlink()
    assert bench.wait(11) == 0
    bench.wait(1)


def mark(seq: int) -> str:
    return f"XENE_STEP_ID={RUN}.{seq}"


def ask(bench: Bench, seq: int) -> list[str]:
    argv = ["sh", "-c", inside.ASK, "sh", bench.room.engine, bench.room.name, inside.LIST, mark(seq)]
    told = subprocess.run(argv, env=bench.podman.env, capture_output=True, text=True).stdout.splitlines()
    assert told[-1] == "end"
    return told[:-1]


def stop_by_asking(bench: Bench, seq: int) -> None:
    tree = bench.tree(seq)
    tree._hidden = True
    tree._root = None

    def find() -> set[Process]:
        return {one for one in tree.find() if one.pid < 0}

    stopping = Stopping(find, 0.2, time.monotonic(), tree.send)
    until(lambda: time.monotonic() >= stopping.next_at and stopping.step(time.monotonic()), "it is stopped")


def test_a_container_that_is_gone_holds_nothing(bench: Bench) -> None:
    assert bench.run(1, "true") == 0
    bench.podman.run("rm", "-f", bench.room.name)
    stop_by_asking(bench, 1)


def test_nobody_is_asked_to_end_before_the_container_has_answered(bench: Bench) -> None:
    bench.start(1, "touch ready; sleep 1001")
    until((bench.workspace / "ready").exists, "the step runs")
    tree = bench.tree(1)
    tree._hidden = True
    assert tree.find() == {inside._UNHEARD}
    until(lambda: len(tree.find()) > 1, "the container has answered")
    assert any(one.pid < 0 for one in tree.find()) and any(one.pid > 0 for one in tree.find())


def test_an_engine_that_does_not_answer_keeps_nobody_alive(bench: Bench) -> None:
    bench.start(1, "touch ready; sleep 1001")
    until((bench.workspace / "ready").exists, "the step runs")
    tree = bench.tree(1)
    tree._hidden, tree._engine = True, "/bin/false"
    tree.send(tree.find(), signal.SIGKILL)
    until(lambda: sleepers(bench) == 0, "it is killed")


# -- leftovers


def test_leftovers_are_named_by_run_and_only_those_of_this_home(bench: Bench) -> None:
    assert bench.run(1, "true") == 0
    found: list[tuple[str, str]] = []
    for home in (bench.place, "/another"):
        leftovers = Leftovers(
            bench.place + "/leftovers", home, lambda engine, run: found.append((engine, run))
        )
        leftovers.look([bench.room.engine, "/no/such/engine"], bench.podman.env)
        [pid] = leftovers._by_pid
        os.waitpid(pid, 0)
        assert leftovers.exited(pid)
        assert not leftovers.exited(pid)
    assert found == [(bench.room.engine, RUN)]


def test_engines_are_remembered(tmp_path: Path) -> None:
    path = str(tmp_path / "engines")
    assert remembered(path) == []
    for engine in ("/usr/bin/podman", "/usr/bin/docker", "/usr/bin/podman"):
        remember(path, engine)
    assert remembered(path) == ["/usr/bin/podman", "/usr/bin/docker"]


def test_an_engine_that_fails_is_asked_again(bench: Bench, tmp_path: Path) -> None:
    engine = tmp_path / "podman"
    engine.write_text(f'#!/bin/sh\n[ -e {tmp_path}/well ] && exit 0\necho "no good" >&2; exit 1\n')
    engine.chmod(0o755)
    ended: list[str] = []
    closings = Closings(str(tmp_path / "log"))
    closings.begin(RUN, [str(engine)], "", os.environ, 0.0, lambda: ended.append(RUN))
    reap(closings, 5.0)
    assert closings.times() == [5.5] and not ended and RUN in closings
    (tmp_path / "well").touch()
    closings.tick(5.4)
    assert closings.pids() == []
    closings.tick(5.5)
    reap(closings, 6.0)
    assert ended == [RUN] and RUN not in closings


def reap(closings: Closings, now: float) -> None:
    [pid] = closings.pids()
    _, status = os.waitpid(pid, 0)
    assert closings.exited(pid, status, now)
