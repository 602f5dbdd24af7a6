"""Runs that are given secrets, end to end: whatever they do with them, no value is in what Xene keeps or says."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.fleet import Fleet, fleet, until

TOKEN = 'tok/En+"with\\quotes" & äöü 0123456789'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----"
LONG = "x7" * 80

FLOW = """\
apiVersion: xene/v1
kind: Secret
metadata: {name: token}
spec: {env: TEST_TOKEN}
---
apiVersion: xene/v1
kind: Secret
metadata: {name: key}
spec: {env: TEST_KEY}
---
apiVersion: xene/v1
kind: Secret
metadata: {name: long}
spec: {env: TEST_LONG}
---
apiVersion: xene/v1
kind: Workflow
metadata: {name: leaks}
spec:
  pipelines:
    leak:
      secrets: {TOKEN: token, KEY: key, LONG: long}
      tasks:
        plain:
          steps:
            - name: s
              run: |
                echo "$TOKEN"; echo "$KEY" >&2; printf '%s' "$TOKEN" | base64 -w 0; echo
                printf 'a%s' "$TOKEN" | base64; printf 'ab%s' "$TOKEN" | base64 -w 0; echo
                printf '%s' "$KEY" | base64; printf '%s\\n' "$KEY" | while read -r line; do echo "[$line]"; done
                cat > say.py <<'EOF'
                import json, os, urllib.parse
                for name in ("TOKEN", "KEY"):
                    print(urllib.parse.quote(os.environ[name]), json.dumps(os.environ[name]))
                EOF
                python3 say.py
                env; echo the end
        traced: {steps: [{name: s, shell: bash, run: 'set -x; : "$TOKEN"; : "$LONG"; : "$KEY"'}]}
        slowly:
          steps:
            - name: s
              run: |
                python3 -c '
                import os, sys, time
                for char in os.environ["LONG"]:
                    sys.stdout.write(char); sys.stdout.flush(); time.sleep(0.001)
                '
        output:
          outputs: [word]
          continueOnError: true
          steps: [{name: s, run: 'echo "word=see $TOKEN" >> "$XENE_OUTPUT"'}]
        encoded:
          outputs: [word]
          continueOnError: true
          steps: [{name: s, run: 'printf "word=%s\\n" "$(printf %s "$TOKEN" | base64 -w 0)" >> "$XENE_OUTPUT"'}]
        lines:
          outputs: [word]
          continueOnError: true
          steps: [{name: s, run: 'printf "word<<EOF\\n%s\\nEOF\\n" "$KEY" >> "$XENE_OUTPUT"'}]
        misnamed: {continueOnError: true, steps: [{name: s, run: 'echo "a $LONG=x" >> "$XENE_OUTPUT"'}]}
        unclosed: {continueOnError: true, steps: [{name: s, run: 'echo "a<<$LONG" >> "$XENE_OUTPUT"'}]}
        undeclared: {continueOnError: true, steps: [{name: s, run: 'echo "$LONG=1" >> "$XENE_OUTPUT"'}]}
        fails:
          continueOnError: true
          steps: [{name: s, run: 'echo "w=$TOKEN" >> "$XENE_OUTPUT"; cd "/none/$TOKEN"'}]
        linked:
          continueOnError: true
          artifacts: {all: "out/**"}
          steps: [{name: s, run: 'mkdir out; ln -s /etc/passwd "out/$LONG"'}]
        waits: {steps: [{name: s, run: 'touch begun; until [ -e seen ]; do sleep 0.02; done'}]}
"""
VALUES = {"TEST_TOKEN": TOKEN, "TEST_KEY": KEY, "TEST_LONG": LONG}


def needles() -> list[bytes]:
    """The values, their parts and encodings, in none of the ways in which Xene looks for them."""
    found = [LONG[:32], *(line for line in KEY.splitlines() if not line.startswith("--"))]
    for value in (TOKEN, KEY):
        found += [value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1]]
        found += [json.dumps(value, ensure_ascii=False)[1:-1]]
        data = value.encode()
        for before in range(3):  # the part of it that no neighbour changes
            found.append(base64.b64encode(b"a" * before + data).decode()[4 if before else 0 : -4])
    return [each.encode() for each in found]


def texts(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a directory, the members of archives too. What steps wrote into workspaces is theirs."""
    for path in root.rglob("*"):
        if "workspace" in path.parts or not path.is_file() or path.is_symlink():
            continue
        yield str(path), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield f"{path}!{name}", archive.read(name)


def assert_clean(found: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> int:
    looked = needles()
    leaks, seen = [], 0
    for name, data in found:
        seen += 1
        leaks += [f"{name}: {needle!r}" for needle in looked if needle in data or needle in name.encode()]
    assert not leaks, "\n".join(leaks)
    return seen


@pytest.fixture(params=["local", "ssh"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, request.param, count=1) as made:
        made.write("leaks.yaml", FLOW)
        made.apply()
        made.env.update(VALUES)
        yield made


def agent_home(made: Fleet) -> Path:
    return made.root / "agent-1" if made.hosts is None else made.hosts[0].home


def daemon(made: Fleet) -> int:
    (path,) = agent_home(made).glob("*/host-1/daemon.pid")
    return int(path.read_text().split()[0])


def test_no_value_is_anywhere(made: Fleet) -> None:
    said: list[tuple[str, bytes]] = []

    def heard(*words: str, code: int | None = None) -> str:
        done = made.xene(*words, code=code)
        said.append((" ".join(words), (done.out + done.err).encode()))
        return done.out

    run = heard("run", "leaks/leak").strip()
    until(lambda: list(agent_home(made).rglob("begun")), "a step waits")
    listed = subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True, check=True).stdout
    assert_clean([("ps", listed)])
    for begun in agent_home(made).rglob("begun"):
        begun.with_name("seen").touch()
    heard("wait", run)
    tasks = made.get("run", run)["tasks"]
    reasons = {name: task["reason"] or task["phase"] for name, task in tasks.items()}
    assert reasons == {
        "plain": "Success", "traced": "Success", "slowly": "Success", "waits": "Success",
        "output": "OutputSecret", "encoded": "OutputSecret", "lines": "OutputSecret",
        "misnamed": "OutputInvalid", "unclosed": "OutputInvalid", "undeclared": "OutputInvalid",
        "fails": "StepFailed", "linked": tasks["linked"]["reason"],
    } | {"undeclared": tasks["undeclared"]["reason"]}  # fmt: skip
    assert tasks["undeclared"]["reason"] in ("OutputSecret", "OutputInvalid")
    assert tasks["linked"]["phase"] == "Error"
    plain = heard("logs", run, "plain/s")
    assert plain.endswith("the end\n") and plain.count("***") > 10
    for words in (
        ["logs", run], ["get", "run", run, "-o", "json"], ["get", "events", "-o", "json"], ["describe", "run", run],
        ["why", f"run/{run}"], ["get", "secrets", "-o", "json"], ["describe", "secret", "token"], ["timeline", run],
        ["diff", str(made.repository), "-o", "json"], ["run", "leaks/leak", "--follow"],
    ):  # fmt: skip
        if words[-1] == "--follow":
            (agent_home(made) / "x").mkdir(parents=True, exist_ok=True)
            child = made.start(*words)
            until(lambda: len(list(agent_home(made).rglob("begun"))) == 1, "it waits again")
            for begun in agent_home(made).rglob("begun"):
                begun.with_name("seen").touch()
            out, err = child.communicate(timeout=60)
            said.append(("follow", (out + err).encode()))
        else:
            heard(*words)
    assert_clean(said)
    assert assert_clean(texts(made.home)) > 3
    assert assert_clean(texts(agent_home(made))) > 3


def test_a_secret_of_a_file_that_is_run_on_the_spot(made: Fleet, tmp_path: Path) -> None:
    path = made.write(
        "spot/one.yaml",
        FLOW.split("---\n")[0]
        + """\
---
apiVersion: xene/v1
kind: Workflow
metadata: {name: spot}
spec:
  pipelines:
    p:
      secrets: {TOKEN: token}
      tasks:
        t: {steps: [{name: s, run: 'echo "it is $TOKEN"; [ "${#TOKEN}" -gt 20 ]'}]}
""",
    )
    done = made.xene("run", str(path))
    assert "it is ***" in done.out + done.err
    assert_clean([("spot", (done.out + done.err).encode())])
    del made.env["TEST_TOKEN"]
    done = made.xene("run", str(path), code=4)
    assert "token" in done.err and "TEST_TOKEN" in done.err


def fired(made: Fleet, target: str, code: int = 1) -> dict:
    (run,) = made.xene("run", target, "--wait", "-o", "json", code=code).json
    return run


SMALL = """\
apiVersion: xene/v1
kind: Secret
metadata: {name: small}
spec: SOURCE
---
apiVersion: xene/v1
kind: Workflow
metadata: {name: small}
spec:
  pipelines:
    p:
      secrets: {TOKEN: small}
      tasks: {t: {steps: [{name: s, run: 'touch "$XENE_WORKSPACE/../../../ran"; echo "$TOKEN"'}]}}
      finally: {f: {steps: [{name: s, run: "true"}]}}
"""


def small(made: Fleet, source: str) -> None:
    made.write("small.yaml", SMALL.replace("SOURCE", source))
    made.apply()


def assert_missing(made: Fleet, *words: str) -> None:
    """The run ends before its first step, and says what is missing."""
    run = fired(made, "small/p")
    assert (run["phase"], run["reason"], run["startedAt"]) == ("Error", "SecretMissing", None)
    assert all(task["phase"] == "NotExecuted" for task in run["tasks"].values())
    for word in ("small", *words):
        assert word in run["message"], run["message"]
    assert "SecretMissing" in made.xene("why", f"run/{run['id']}").out
    assert not list(agent_home(made).rglob("ran"))


def test_a_secret_that_is_missing_fails_the_run_before_its_first_step(made: Fleet) -> None:
    small(made, "{env: NO_SUCH_VALUE}")
    assert_missing(made, "NO_SUCH_VALUE", "secrets.env")
    made.env["NO_SUCH_VALUE"] = "short"
    assert_missing(made, "too short")
    made.env["NO_SUCH_VALUE"] = "long enough"
    assert made.xene("logs", fired(made, "small/p", 0)["id"], "t/s").out == "***\n"


def test_secrets_env_must_be_private(made: Fleet) -> None:
    small(made, "{env: FROM_FILE}")
    path = made.home / "secrets.env"
    path.write_text("FROM_FILE='in the file'\n")
    path.chmod(0o644)
    before = len(made.get("runs"))
    done = made.xene("run", "small/p", "--wait", code=8)
    assert "0644" in done.err and "chmod 0600" in done.err and "in the file" not in done.err
    assert len(made.get("runs")) == before
    done = made.xene("run", str(made.repository / "small.yaml"), code=8)
    assert "chmod 0600" in done.err
    path.chmod(0o600)
    run = fired(made, "small/p", 0)
    path.chmod(0o640)
    made.xene("rerun", run["id"], code=8)
    made.env["FROM_FILE"] = "in the environment"  # the file is not asked
    fired(made, "small/p", 0)


def test_files_and_commands_only_where_the_owner_of_the_host_allows_them(made: Fleet, tmp_path: Path) -> None:
    value = tmp_path / "value"
    value.write_text("from a file\n")
    program = tmp_path / "show"
    program.write_text("#!/bin/sh\necho from a program\n")
    program.chmod(0o755)
    small(made, f"{{file: {value}}}")
    assert_missing(made, "config.yaml")
    config = made.home / "config.yaml"
    config.write_text(f"allow: {{files: ['{value}'], commands: ['{program}']}}\n")
    config.chmod(0o600)
    assert made.xene("logs", fired(made, "small/p", 0)["id"], "t/s").out == "***\n"
    small(made, f"{{command: [{program}]}}")
    fired(made, "small/p", 0)
    config.write_text("allow: {files: []}\n")
    run = fired(made, "small/p")
    assert run["reason"] == "SecretMissing" and "config.yaml" in run["message"]


def test_a_run_waits_for_its_secrets_when_its_daemon_was_killed(made: Fleet) -> None:
    made.write(
        "waits.yaml",
        """\
        apiVersion: xene/v1
        kind: Workflow
        metadata: {name: waits}
        spec:
          pipelines:
            p:
              secrets: {TOKEN: token}
              tasks:
                first:
                  steps:
                    - name: s
                      run: |
                        echo "begin $TOKEN"; touch begun
                        until [ -e seen ]; do sleep 0.02; done; echo "end $TOKEN"
                then: {needs: [first], steps: [{name: s, run: 'echo "then $TOKEN"'}]}
              finally:
                last: {steps: [{name: s, run: 'echo "last $TOKEN"'}]}
    """,
    )
    made.apply()
    run = made.xene("run", "waits/p").out.strip()
    (begun,) = until(lambda: list(agent_home(made).rglob("begun")), "it runs")
    os.kill(daemon(made), 9)
    begun.with_name("seen").touch()
    del made.env["TEST_TOKEN"]

    def held() -> bool:
        made.xene("reconcile")
        return bool(made.get("run", run)["reason"] == "SecretUnavailable")

    until(held, "it waits for its secrets")
    seen = made.get("run", run)
    assert seen["phase"] == "Running"
    assert "SecretUnavailable" in made.xene("why", f"run/{run}").out
    until(
        lambda: made.xene("reconcile") and made.get("run", run)["tasks"]["first"]["phase"] == "Success",
        "it ends",
    )
    assert made.get("run", run)["tasks"]["then"]["phase"] == "NotExecuted"
    made.env["TEST_TOKEN"] = TOKEN
    made.xene("wait", run)
    assert made.get("run", run)["phase"] == "Success"
    assert made.xene("logs", run, "first/s").out == "begin ***\nend ***\n"
    assert made.xene("logs", run, "then/s").out == "then ***\n"
    assert made.xene("logs", run, "last/s").out == "last ***\n"
    assert_clean(texts(agent_home(made)))
    assert_clean(texts(made.home))


def test_a_retry_gets_the_secrets_anew_and_says_when_it_cannot(made: Fleet) -> None:
    made.write(
        "twice.yaml",
        """\
        apiVersion: xene/v1
        kind: Workflow
        metadata: {name: twice}
        spec:
          pipelines:
            p:
              secrets: {TOKEN: token}
              tasks: {t: {steps: [{name: s, run: 'echo "$TOKEN" | wc -c >> n; [ "$(wc -l < n)" = 2 ]; cat n'}]}}
    """,
    )
    made.apply()
    run = fired(made, "twice/p")
    del made.env["TEST_TOKEN"]
    made.xene("retry", run["id"])
    until(
        lambda: made.xene("reconcile") and "TEST_TOKEN" in (made.get("run", run["id"])["message"] or ""),
        "it says what it waits for",
    )
    seen = made.get("run", run["id"])
    assert (seen["phase"], seen["reason"]) == ("Queued", "SecretUnavailable")
    assert "TEST_TOKEN" in made.xene("why", f"run/{run['id']}").out
    made.env["TEST_TOKEN"] = TOKEN
    made.xene("wait", run["id"])
    assert made.get("run", run["id"])["phase"] == "Success"
    first, second = made.xene("logs", run["id"], "t/s").out.split()
    assert first == second == str(len(TOKEN.encode()) + 1)
