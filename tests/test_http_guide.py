"""The commands of docs/http.md are typed, and curl gets what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.fleet import fleet
from tests.server.conftest import OTHER, Serving
from tests.test_docs import ROOT, blocks

PAGE = (ROOT / "docs" / "http.md").read_text()


def shell(line: str, **env: str) -> str:
    """What a line of shell prints."""
    done = subprocess.run(
        ["sh", "-euc", line], env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    typed, asked = list(blocks(PAGE))[:2]
    create, listen = typed.splitlines()
    with fleet(tmp_path, "local", count=1) as hosts:
        hosts.write("other.yaml", OTHER)
        hosts.apply()
        run = hosts.xene("run", "other", "--wait", "-o", "json").json[0]["id"]
        assert listen == "xene controller --listen 127.0.0.1:8080"
        serving = Serving(hosts)
        serving.start()
        reader = hosts.xene(*create.split()[1:]).out.strip()
        admin = serving.token("boss", "admin")
        try:
            found = [
                shell(line, URL=serving.url, TOKEN=admin if "POST" in line else reader, RUN=run, KEY="one")
                for line in asked.splitlines()
            ]
        finally:
            assert serving.stop() == 0
    runs, one, log, rerun, ready, described = found
    assert json.loads(runs) == [] and json.loads(one)["id"] == run and log == ""
    assert len(json.loads(rerun)["runs"]) == 1
    assert json.loads(ready) == {"status": "ok"}
    told(json.loads(described))


def told(document: dict[str, dict[str, dict[str, object]]]) -> None:
    """Every route of the description is in the page's table, with its role and its params."""
    table = PAGE.partition("## What there is")[2].partition("The JSON is")[0]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert isinstance(operation, dict)
            name = re.sub(r"{(\w+)}", lambda found: found[1].upper(), path).rpartition("/")[2]
            (row,) = [line for line in table.splitlines() if re.search(rf"(/|`){re.escape(name)}`", line)]
            role = re.search(r"the role (\w+)", str(operation.get("description")))
            assert f"| `{role[1]}` |" in row if role else "| none |" in row
            params = [param["name"] for param in operation["parameters"] if param["in"] == "query"]
            assert all(re.search(rf"\b{param}\b", row) for param in params), (path, params)
