"""Directories: what is read, what is refused, whose it is."""

from __future__ import annotations

import os
import socket
import time

import pytest

from xene.errors import NotFound
from xene.manifest import repository
from xene.manifest.problems import render

WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {{name: {name}}}
spec: {{pipelines: {{p: {{tasks: {{t: {{steps: [{{name: a, run: make}}]}}}}}}}}}}
"""
AGENT = "apiVersion: xene/v1\nkind: Agent\nmetadata: {{name: {name}}}\nspec: {{local: {{}}}}\n"


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def write(root, path, text=None, **fields):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text if text is not None else WORKFLOW.format(name=fields.get("name", file.stem)))
    return file


def names(found):
    return [entry.name for entry in found.entries]


def told(found):
    return [(os.path.basename(p.file), p.code) for p in found.problems]


def test_files_are_read_at_any_depth_sorted_by_path(tmp_path):
    for path in ("b.yaml", "a/z.yml", "a/b/c.yaml", "c/a.yaml", "notes.txt", "x.yaml.bak"):
        write(tmp_path, path)
    assert names(repository.load(str(tmp_path))) == ["c", "z", "b", "a"]


def test_several_documents_a_file(tmp_path):
    write(tmp_path, "a.yaml", WORKFLOW.format(name="x") + "---\n" + AGENT.format(name="y"))
    found = repository.load(str(tmp_path))
    assert [(entry.kind, entry.name, entry.line) for entry in found.entries] == [
        ("Workflow", "x", 3),
        ("Agent", "y", 8),
    ]


def test_hidden_and_ignored_names_are_skipped(tmp_path):
    for path in (
        ".git/a.yaml",
        ".b.yaml",
        "old/c.yaml",
        "keep/old.yaml",
        "keep/d.yaml",
        "e.draft.yaml",
        "sub/f.yaml",
    ):
        write(tmp_path, path, name="x" if path == "sub/f.yaml" else "bad name")
    write(tmp_path, "keep/d.yaml", name="d")
    write(tmp_path, ".xeneignore", "# comment\nold/\n*.draft.yaml\nkeep/*\n!keep/d.yaml\n")
    assert names(repository.load(str(tmp_path))) == ["d", "x"]


def test_the_ignore_file_of_the_source_counts_for_a_folder_below(tmp_path):
    write(tmp_path, "xene.yaml", "name: shop\n")
    write(tmp_path, ".xeneignore", "/sub/old.yaml\n")
    write(tmp_path, "sub/old.yaml")
    write(tmp_path, "sub/new.yaml")
    assert names(repository.load(str(tmp_path / "sub"))) == ["new"]
    assert names(repository.load(str(tmp_path / "sub/old.yaml"))) == ["old"]  # asked for by name


def test_a_bad_line_in_the_ignore_file_is_told(tmp_path):
    write(tmp_path, ".xeneignore", "ok\n\n!\n")
    (problem,) = repository.load(str(tmp_path)).problems
    assert (problem.line, problem.code) == (3, "bad-ignore")


# -- sources


def test_without_a_source_file_the_real_path_owns(tmp_path):
    write(tmp_path, "real/a.yaml")
    (tmp_path / "link").symlink_to("real")
    found = repository.load(str(tmp_path / "link"))
    assert (found.source, found.complete) == (os.path.realpath(tmp_path / "real"), True)


@pytest.mark.parametrize(("below", "complete"), [("", True), ("sub", False), ("sub/a.yaml", False)])
def test_the_nearest_source_file_owns(tmp_path, below, complete):
    write(tmp_path, "xene.yaml", "# mine\nname: shop-ops\n")
    write(tmp_path, "sub/a.yaml")
    found = repository.load(str(tmp_path / below))
    assert (found.source, found.complete, names(found)) == ("shop-ops", complete, ["a"])


def test_a_file_alone_is_not_complete(tmp_path):
    file = write(tmp_path, "a.yaml")
    found = repository.load(str(file))
    assert (found.source, found.complete) == (os.path.realpath(tmp_path), False)


@pytest.mark.parametrize(
    ("text", "code"),
    [("nam: x\n", "unknown-key"), ("name: A b\n", "bad-name"), ("", "missing-key"),
     ("name: 1.0\nname: x\n", "duplicate-key"), ("a: [\n", "yaml-syntax"), ("- a\n", "wrong-type")],
)  # fmt: skip
def test_a_bad_source_file_is_a_problem(tmp_path, text, code):
    write(tmp_path, "xene.yaml", text)
    write(tmp_path, "a.yaml")
    found = repository.load(str(tmp_path))
    assert ("xene.yaml", code) in told(found)
    assert found.source == os.path.realpath(tmp_path)


@pytest.mark.parametrize(
    "text", ['name: "shop"\n', "{name: shop}\n", "name: shop # mine\n", "---\nname: shop\r\n"]
)
def test_every_way_to_write_the_source(tmp_path, text):
    write(tmp_path, "xene.yaml", text)
    assert repository.load(str(tmp_path)).source == "shop"


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(NotFound):
        repository.load(str(tmp_path / "nothing"))


# -- what is refused


def test_a_link_out_of_the_root_is_refused(tmp_path):
    outside = write(tmp_path, "outside/secret.yaml", "top secret: [\n")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.yaml").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "text.txt").symlink_to(outside)  # not read, so nobody minds
    found = repository.load(str(root))
    assert told(found) == [("file.yaml", "link-out"), ("folder", "link-out")]
    assert "top secret" not in "".join(map(render, found.problems))


def test_links_inside_the_root_are_followed_and_each_file_is_read_once(tmp_path):
    write(tmp_path, "a.yaml")
    write(tmp_path, ".data/b.yaml")
    write(tmp_path, ".more/c.yaml")
    (tmp_path / "again.yaml").symlink_to("a.yaml")
    (tmp_path / "b.yaml").symlink_to(".data/b.yaml")
    (tmp_path / "more").symlink_to(".more")
    (tmp_path / ".more" / "round").symlink_to("..")
    assert names(repository.load(str(tmp_path))) == ["a", "b", "c"]


def test_what_is_no_plain_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo.yaml")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(tmp_path / "socket.yaml"))
        (tmp_path / "nowhere.yaml").symlink_to("gone.yaml")
        (tmp_path / "device.yaml").symlink_to("/dev/zero")
        found = repository.load(str(tmp_path))
    assert sorted(told(found)) == [
        ("device.yaml", "link-out"),
        ("fifo.yaml", "not-a-file"),
        ("nowhere.yaml", "not-a-file"),
        ("socket.yaml", "not-a-file"),
    ]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_as_path(path):
    assert [p.code for p in repository.load(path).problems] == ["not-a-file"]


def test_a_directory_named_like_a_manifest_is_a_directory(tmp_path):
    write(tmp_path, "a.yaml/b.yaml")
    assert names(repository.load(str(tmp_path))) == ["b"]


def test_names_that_are_no_utf8_or_hold_escapes(tmp_path):
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\x1b[31m")
    with open(os.fsencode(tmp_path) + b"/\xff\x1b[31m/\xfe.yaml", "w") as file:
        file.write("a: [\n")
    (problem,) = repository.load(str(tmp_path)).problems
    assert render(problem).replace("\n", "").isprintable()
    with open(os.fsencode(tmp_path) + b"/\xff\x1b[31m/\xfe.yaml", "w") as file:
        file.write(WORKFLOW.format(name="a"))
    assert names(repository.load(str(tmp_path))) == names(repository.load(str(tmp_path))) == ["a"]


def test_a_file_that_may_not_be_read(tmp_path):
    write(tmp_path, "a.yaml").chmod(0)
    found = repository.load(str(tmp_path))
    if os.geteuid() != 0:
        assert told(found) == [("a.yaml", "not-a-file")]
    else:
        assert names(found) == ["a"]


# -- between files


def test_duplicates_name_both_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.yaml", name="shop")
    write(tmp_path, "sub/b.yaml", name="shop")
    write(tmp_path, "sub/c.yaml", AGENT.format(name="shop"))
    (problem,) = repository.load(".").problems
    assert render(problem).split("\n")[0] == (
        "sub/b.yaml:3:18: duplicate-object: there is another Workflow named 'shop' at a.yaml:3"
    )
    assert problem.source_line == "metadata: {name: shop}"


def pinned(agent):
    return WORKFLOW.format(name="shop").replace("{p: {", f"{{p: {{placement: {{agent: {agent}}}, ")


def test_references_resolve_in_the_repository_and_in_what_is_known(tmp_path):
    write(tmp_path, "a.yaml", pinned("build-1"))
    found = repository.load(str(tmp_path))
    assert [p.code for p in repository.unresolved(found, set())] == ["unresolved-reference"]
    assert repository.unresolved(found, {("Agent", "build-1")}) == []
    write(tmp_path, "b.yaml", AGENT.format(name="build-2"))
    (problem,) = repository.unresolved(repository.load(str(tmp_path)), set())
    assert problem.hint == "did you mean 'build-2'?"
    assert problem.source_line[problem.col - 1 :].startswith("build-1")
    write(tmp_path, "b.yaml", AGENT.format(name="build-1").replace("local: {}", "capacity: x"))
    assert repository.unresolved(repository.load(str(tmp_path)), set()) == []  # it is there, though broken


def test_references_of_an_object_with_other_problems_are_told_too(tmp_path):
    write(tmp_path, "a.yaml", pinned("nope").replace("run: ", "timeout: soon, run: "))
    found = repository.load(str(tmp_path))
    assert [p.code for p in found.problems] == ["bad-duration"] and found.entries == ()
    assert [p.code for p in repository.unresolved(found, set())] == ["unresolved-reference"]
    write(tmp_path, "a.yaml", pinned("[x]"))
    found = repository.load(str(tmp_path))
    assert found.problems and repository.unresolved(found, set()) == []


def test_local_is_there_until_there_is_an_agent(tmp_path):
    write(tmp_path, "a.yaml", pinned("local"))
    found = repository.load(str(tmp_path))
    assert repository.unresolved(found, set()) == []
    assert len(repository.unresolved(found, {("Agent", "build-1")})) == 1


# -- the cache


def settle(tmp_path):
    """Wait until every file is old enough to be trusted by its stat alone."""
    newest = max(
        os.stat(os.path.join(folder, name)).st_ctime
        for folder, _, found in os.walk(tmp_path)
        for name in found
    )
    while time.time() < newest + 1.05:
        time.sleep(0.02)


def test_an_unchanged_repository_is_read_from_the_cache(tmp_path, monkeypatch):
    for n in range(3):
        write(tmp_path, f"{n}.yaml", name=f"w{n}")
    settle(tmp_path)
    first = repository.load(str(tmp_path))
    monkeypatch.setattr("xene.manifest.files._read", None)  # whoever opens a file now fails
    assert repository.load(str(tmp_path)) == first


def test_a_file_younger_than_a_second_is_read_again(tmp_path):
    file = write(tmp_path, "a.yaml", name="one")
    before = file.stat()
    assert names(repository.load(str(tmp_path))) == ["one"]
    file.write_text(file.read_text().replace("one", "two"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(repository.load(str(tmp_path))) == ["two"]


def test_changes_additions_and_removals_show(tmp_path):
    write(tmp_path, "a.yaml", name="a")
    write(tmp_path, "b.yaml", name="b")
    repository.load(str(tmp_path))
    write(tmp_path, "a.yaml", name="other")
    (tmp_path / "b.yaml").unlink()
    write(tmp_path, "c.yaml", name="c")
    assert names(repository.load(str(tmp_path))) == ["other", "c"]


def test_problems_are_not_forgotten(tmp_path):
    write(tmp_path, "a.yaml", "kind: x\n")
    assert repository.load(str(tmp_path)).problems == repository.load(str(tmp_path)).problems != ()


@pytest.mark.parametrize("damage", [b"", b"rubbish", "cut", "flip", "version"])
def test_a_damaged_cache_is_as_good_as_none(tmp_path, damage):
    write(tmp_path, "a.yaml")
    first = repository.load(str(tmp_path))
    path = repository.kept.path_for(os.path.realpath(tmp_path))
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if damage == "cut":
        data = data[:-10]
    elif damage == "flip":
        data[-5] ^= 1
    elif damage == "version":
        data[20] ^= 1
    else:
        data = damage
    with open(path, "wb") as file:
        file.write(data)
    assert repository.kept.load(os.path.realpath(tmp_path)) == {}
    assert repository.load(str(tmp_path)) == first
    assert repository.kept.load(os.path.realpath(tmp_path)) != {}


def test_the_cache_is_private_and_not_trusted_otherwise(tmp_path):
    write(tmp_path, "a.yaml")
    previous = os.umask(0)
    try:
        repository.load(str(tmp_path))
    finally:
        os.umask(previous)
    path = repository.kept.path_for(os.path.realpath(tmp_path))
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    os.chmod(path, 0o644)
    assert repository.kept.load(os.path.realpath(tmp_path)) == {}


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    write(tmp_path, "root/a.yaml")
    write(tmp_path, "file", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    assert names(repository.load(str(tmp_path / "root"))) == ["a"]


def test_the_name_of_a_file_is_the_one_by_which_it_was_asked_for(tmp_path, monkeypatch):
    write(tmp_path, "sub/a.yaml", pinned("x"))
    assert repository.load(str(tmp_path / "sub")).entries[0].file == str(tmp_path / "sub" / "a.yaml")
    monkeypatch.chdir(tmp_path)
    entry = repository.load("sub").entries[0]
    assert (entry.file, entry.references[0].file) == ("sub/a.yaml", "sub/a.yaml")
    assert repository.load("./sub/a.yaml").entries[0].file == "./sub/a.yaml"


def test_the_secret_of_a_webhook_must_be_there(tmp_path):
    text = WORKFLOW.format(name="shop").replace(
        "spec: {", "spec: {triggers: {push: {webhook: {verify: github, secretRef: hook}}}, ", 1
    )
    write(tmp_path, "a.yaml", text)
    found = repository.load(str(tmp_path))
    (problem,) = repository.unresolved(found, {("Secret", "hooks")})
    assert problem.message == "there is no Secret named 'hook'" and problem.hint == "did you mean 'hooks'?"
    assert problem.source_line[problem.col - 1 :].startswith("hook}")
    assert repository.unresolved(found, {("Secret", "hook")}) == []
