"""Crontabs as cron reads them, and the manifests made of them: real ones, odd ones, and whatever else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xene.engine.cron import parse
from xene.manifest import crontab, job_names
from xene.manifest.cron_times import times
from xene.manifest.imported import imported
from xene.manifest.load import load_text
from xene.model import codec
from xene.model.ids import is_name

HERE = Path(__file__).parent / "crontabs"
REAL = sorted([*(HERE / "cron.d").iterdir(), HERE / "etc" / "crontab", HERE / "sysstat-example"])
ZONE = "Europe/Berlin"


def manifest(text, system=None, agent=None, users=("root",)):
    """The workflow made of a crontab, as the model has it, and what was not kept."""
    made = imported(crontab.read(text, system, users), "jobs", "a test", ZONE, agent)
    loaded = load_text(made.text, "jobs.yaml")
    assert not loaded.problems, made.text
    if made.pipelines == 0:
        assert not loaded.entries
        return None, made
    (entry,) = loaded.entries
    import json

    return codec.workflow_from_json(json.loads(entry.text)), made


def steps(workflow):
    return [pipeline.tasks["job"].steps[0].exec for pipeline in workflow.pipelines.values()]


# -- real ones


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_crontabs(path):
    text = path.read_text()
    system = path.name != "sysstat-example"
    workflow, made = manifest(text, system)
    lines = [line for line in text.splitlines() if line.strip()[:1] in "0123456789*@" and line.strip()]
    reboots = [line for line in lines if line.startswith("@reboot")]
    assert len(made.dropped) == len(reboots)
    assert made.pipelines == len(lines) - len(reboots)
    for line, script in zip(
        [line for line in lines if line not in reboots], steps(workflow) if workflow else ()
    ):
        command = line.split(None, 6 if system else 5)[-1]
        assert script[:2] == ("/bin/sh", "-c") and script[2].split("\n")[-1] == command.replace("\\%", "%")


def test_a_real_one_in_full():
    workflow, made = manifest((HERE / "cron.d" / "logcheck").read_text(), True, "web-1")
    (pipeline,) = workflow.pipelines.values()
    cron = workflow.triggers["logcheck"].cron
    assert (pipeline.name, pipeline.triggers, pipeline.placement.agent) == (
        "logcheck",
        ("logcheck",),
        "web-1",
    )
    assert (cron.schedules, cron.time_zone, cron.catch_up) == (("2 * * * *",), ZONE, "none")
    assert pipeline.concurrency_policy == "Allow"
    assert workflow.env["PATH"].startswith("/usr/local/sbin:") and workflow.env["LOGNAME"] == "logcheck"
    assert made.dropped[0][0] == 6 and "it starts with the machine" in made.text
    assert "# Line 4, MAILTO=root: no address to which a notice could be mailed" in made.text


# -- lines


def one(line, system=False):
    (job,) = crontab.read(line, system).jobs
    return job


@pytest.mark.parametrize(
    ("line", "command", "given"),
    [
        ("* * * * * a b", "a b", None),
        ("@daily a", "a", None),
        ("* * * * * date +\\%F", "date +%F", None),
        ("* * * * * mail x%Hi,%%you%", "mail x", "Hi,\n\nyou\n"),
        ("* * * * * cat % a %b", "cat", " a \nb\n"),
        ("* * * * * cat%", "cat", ""),
        ("* * * * * cat%\\%%", "cat", "%\n"),
        ("*\t*  * * *\ta\tb ", "a\tb", None),
    ],
)
def test_command_and_input(line, command, given):
    job = one(line)
    assert (job.command, job.input) == (command, given)


def test_variables_hold_for_the_lines_below():
    found = crontab.read("A=1\n0 * * * * x\nA = \" 2 \"\n B=''\n'C D'=3\n0 * * * * y=1 z\n", False)
    assert [dict(job.variables) for job in found.jobs] == [{"A": "1"}, {"A": " 2 ", "B": "", "C D": "3"}]
    assert found.jobs[1].command == "y=1 z"


def test_comments_belong_to_the_line_below_them():
    found = crontab.read("# far\n\n# near\n#\n## nearer\n0 * * * * x\n0 * * * * y\n", False)
    assert [job.comments for job in found.jobs] == [("near", "nearer"), ()]


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("0 * * * * root x\n1 * * * * www-data y z", True),
        ("0 * * * * root x\n1 * * * * backup.sh y", False),
        ("0 * * * * root", False),
        ("0 * * * * mail -s x y", False),
        ("0 * * * * mail -s x y\n0 * * * * root x", True),
        ("@reboot root x", True),
        ("", False),
    ],
)
def test_whose_crontab_it_is(text, system):
    assert crontab.read(text, None, {"root", "www-data", "mail"}).system is system


def test_lines_that_cron_would_refuse_are_told():
    text = "a b c\n* * * * *\n@daily\n0 0 * * * r@@t x\n0 0 * * * root\r\n0 0 * * * root x\r\n"
    found = crontab.read(text, True)
    assert [number for number, _ in found.odd] == [1, 2, 3, 4, 5]
    assert [job.command for job in found.jobs] == ["x"]


# -- times


@pytest.mark.parametrize(
    ("when", "schedule"),
    [
        ("5 4 * * *", "5 4 * * *"),
        ("-*/5 * * * *", "*/5 * * * *"),
        ("@Hourly", "@Hourly"),
        ("@every_minute", "* * * * *"),
        ("0 0 1,15 JAN-mar sun", "0 0 1,15 JAN-mar sun"),
    ],
)
def test_times(when, schedule):
    assert times(when, "x") == (schedule, "")
    parse(schedule)


def test_a_time_at_random_is_chosen_once_and_in_bounds():
    chosen = {times("0~9 ~ * * 1~5,0", f"job {n}").schedule for n in range(200)}
    assert {times("0~9 ~ * * 1~5,0", "a").schedule} == {times("0~9 ~ * * 1~5,0", "a").schedule}
    assert {schedule.split()[0] for schedule in chosen} == {str(n) for n in range(10)}
    assert {schedule.split()[1] for schedule in chosen} == {str(n) for n in range(24)}
    assert {schedule.split()[4] for schedule in chosen} == {f"{n},0" for n in range(1, 6)}
    assert "at random" in times("0~9 3 * * *", "a").note


@pytest.mark.parametrize(
    "when", ["@reboot", "@fortnightly", "61 * * * *", "9~3 * * * *", "0~99 * * * *", "0 0 31 2 *"]
)
def test_times_that_cannot_be_kept(when):
    with pytest.raises(ValueError, match=r"\w"):
        times(when, "x")


# -- names


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/bin/backup.sh --all", "backup"),
        ("cd /srv/app && ./bin/rotate_logs.py > /dev/null 2>&1", "rotate-logs"),
        ("test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )", "cron-daily"),
        ("if [ -x /usr/bin/x ] && [ $(date +%d) -le 7 ]; then /usr/bin/mdcheck --cron; fi", "mdcheck"),
        ("perl -e 'sleep int(rand(43200))' && certbot -q renew", "certbot"),
        ("sh -c 'sync-all now'", "sync-all"),
        ("php -q /var/www/artisan.php schedule:run", "artisan"),
        ("$HOME/bin/daily.job", "daily-job"),
        ("FOO=1 nice -n 10 flock -n /tmp/l /opt/Tool_Box/run", "run"),
        ("command -v debian-sa1 > /dev/null && debian-sa1 1 1", "debian-sa1"),
        ("manual", "manual-2"),
        ("((", "job"),
        ("", "job"),
    ],
)
def test_a_name_from_what_is_started(command, name):
    assert job_names.names([command]) == [name]


def test_no_two_names_are_alike():
    assert job_names.names(["a x", "a y", "b", "a-2", "a"]) == ["a", "a-2", "b", "a-2-2", "a-3"]


# -- what is made


def test_variables_of_all_jobs_stand_in_the_workflow_and_others_in_their_pipelines():
    text = "A=1\nSHELL=/bin/bash\n0 * * * * x\nB=2\nA=3\n0 * * * * y\n"
    workflow, _ = manifest(text, False)
    assert dict(workflow.env) == {"SHELL": "/bin/bash", "PATH": "/usr/bin:/bin"}
    assert [dict(each.env) for each in workflow.pipelines.values()] == [{"A": "1"}, {"A": "3", "B": "2"}]
    assert [script[0] for script in steps(workflow)] == ["/bin/bash", "/bin/bash"]


def test_zones_and_delays_of_cronie():
    text = "0 1 * * * x\nCRON_TZ=Asia/Tokyo\nRANDOM_DELAY=7\n0 1 * * * y\nCRON_TZ=Mars/Base\n0 1 * * * z\n"
    workflow, made = manifest(text, False)
    crons = [trigger.cron for trigger in workflow.triggers.values()]
    assert [(cron.time_zone, cron.jitter) for cron in crons] == [(ZONE, 0), ("Asia/Tokyo", 420)]
    assert made.dropped == ((6, "0 1 * * * z\nthere is no time zone Mars/Base"),)
    assert not set(workflow.env) & {"CRON_TZ", "RANDOM_DELAY"}


def test_an_odd_shell_gets_the_line_as_it_is():
    workflow, _ = manifest("SHELL=/usr/bin/fish\n0 * * * * echo (date)%in\n", False)
    (script,) = steps(workflow)
    text = 'cd || exit\nexec <<\'INPUT\'\nin\nINPUT\nexec "$0" -c "$1"'
    assert script == ("/bin/sh", "-c", text, "/usr/bin/fish", "echo (date)")


def test_the_end_of_the_input_is_no_line_of_it():
    workflow, _ = manifest("0 * * * * cat%INPUT%INPUT_%x", False)
    assert steps(workflow)[0][2] == "cd || exit\nexec <<'INPUT__'\nINPUT\nINPUT_\nx\nINPUT__\ncat"


def test_what_looks_like_a_template_is_none():
    workflow, made = manifest("X=a${{ b }}\n0 * * * * echo $X\n0 * * * * echo '${{ params.x }}'\n", False)
    assert workflow.env["X"] == "a${{ '${{' }} b }}" and made.pipelines == 1
    assert "beginning of a template" in made.text


def test_a_comment_stays_one():
    text = "# a: [b\x1b[31m\tc\u2028d\n0 * * * * x # y: {\u202e\n"
    _, made = manifest(text, False)
    assert (
        "# a: [b\\x1b[31m c\\u2028d\n" in made.text and "\x1b" not in made.text and "\u202e" not in made.text
    )


def test_of_nothing_comes_no_workflow():
    assert manifest("# nothing\nA=1\n@reboot x\n", False)[0] is None


lines = st.one_of(
    st.text(max_size=20),
    st.builds(
        "{} {}".format, st.sampled_from(["* * * * *", "@daily", "5~9 1 * * mon", "@reboot"]), st.text()
    ),
    st.builds(
        "{}={}".format, st.sampled_from(["A", "SHELL", "PATH", "MAILTO", "CRON_TZ", "XENE_A"]), st.text()
    ),
    st.builds("#{}".format, st.text()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(lines, max_size=6), st.booleans())
@example(["* * * * * x \\"], False)
@example(["* * * * *  \u0085x%\u0085%", "#\u0085"], False)
def test_whatever_the_crontab_the_manifest_is_valid(given_lines, system):
    text = "\n".join(line.replace("\0", "") for line in given_lines)
    text = text.encode("utf-8", "replace").decode()
    workflow, made = manifest(text, system)
    assert made.pipelines == (len(workflow.pipelines) if workflow else 0)
    assert all(is_name(name) for name in (workflow.pipelines if workflow else ()))
