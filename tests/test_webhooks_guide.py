"""The commands of docs/webhooks.md are typed, and do what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.fleet import fleet
from tests.server.conftest import Serving
from tests.test_docs import ROOT, blocks
from tests.test_http_guide import shell

PAGE = (ROOT / "docs" / "webhooks.md").read_text()


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    typed, default, signed = [each for each in blocks(PAGE) if "apiVersion" not in each][:3]
    (manifest,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    create, listen = typed.splitlines()
    assert listen == "xene controller --listen 127.0.0.1:8080"
    with fleet(tmp_path, "local", count=1) as hosts:
        hosts.env["GITHUB_HOOK"] = secret = "a secret of the forge"
        hosts.write("site.yaml", manifest.partition("---")[0])
        hosts.write("push.yaml", (ROOT / "examples" / "workflows" / "push.yaml").read_text())
        hosts.apply()
        hosts.home.joinpath("secrets.env").write_text(f"GITHUB_HOOK='{secret}'\n")
        hosts.home.joinpath("secrets.env").chmod(0o600)
        serving = Serving(hosts)
        serving.start()
        token = hosts.xene(*create.split()[1:]).out.splitlines()[-1]
        try:
            first = [json.loads(shell(line, URL=serving.url, TOKEN=token)) for line in default.splitlines()]
            second = shell(f"cd {tmp_path}\n{signed}", URL=serving.url, GITHUB_HOOK=secret)
            assert "error" not in second, second + serving.log.read_text()
            runs = [run for answer in first for run in answer["runs"]]
            runs += [run for answer in re.findall(r"{.*?}", second) for run in json.loads(answer)["runs"]]
            ended = {run: hosts.xene("wait", run, "-o", "json", code=None).json for run in runs}
        finally:
            assert serving.stop() == 0
        said = [hosts.xene("logs", run).out for run in runs[2:]]
    assert len(runs) == 5 and {row["phase"] for row in list(ended.values())[1:]} == {"Success"}
    assert [row["trigger"] for row in ended.values()] == ["webhook"] * 2 + ["pushed", "merged", "asked"]
    assert [line.split("| ")[-1] for line in said] == [
        "6113728f27ae by pushed\n", "da1560886d4f by merged\n", "HEAD by asked\n",
    ]  # fmt: skip
