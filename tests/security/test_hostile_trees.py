"""Trees and texts that mean harm: told in a moment, in little memory, by a process that has no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal
from tests.manifest.test_hostile import HEAD, TASKS, read

GOOD = HEAD + "  pipelines: {p: {tasks: {t: {steps: [{name: s, run: x}]}}}}\n"


def said(root: Path) -> set[str]:
    codes, whole, longest = read(root)
    assert whole < 200_000 and longest < 5000
    return set(codes)


def test_devices_pipes_and_sockets_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "tty.yaml").symlink_to("/dev/tty")
    (tmp_path / "mem.yaml").symlink_to("/proc/self/mem")
    (tmp_path / "a.yaml").write_text(GOOD)
    assert said(tmp_path)


def test_links_out_of_the_tree_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a: secret-word")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.yaml").symlink_to(tmp_path / "secret")
    (tmp_path / "repo" / "out").symlink_to(tmp_path)
    assert said(tmp_path / "repo")


def test_links_that_go_round(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "up").symlink_to("../..")
    (tmp_path / "x.yaml").symlink_to("y.yaml")
    (tmp_path / "y.yaml").symlink_to("x.yaml")
    (tmp_path / "a" / "w.yaml").write_text(GOOD)
    said(tmp_path)


TEXTS = {
    "BOM": (b"\xef\xbb\xbf" + GOOD.encode(), set()),
    "CRLF": (GOOD.replace("\n", "\r\n").encode(), set()),
    "UTF-16": (GOOD.encode("utf-16"), {"not-utf8"}),
    "UTF-32": (GOOD.encode("utf-32"), {"not-utf8"}),
    "a megabyte of expression": (HEAD + "  env: {A: '${{ " + "a." * 500_000 + "a }}'}\n", {"bad-template"}),
    "an expression without end": (HEAD + "  env: {A: '" + "${{ " * 250_000 + "'}\n", {"bad-template"}),
    "one line of four megabytes": ("a: '" + "b" * (4 << 20) + "\n", {"too-large"}),
    "the same anchor": (HEAD + "".join(f"  k{n}: &a x\n" for n in range(50_000)), {"unknown-key"}),
    "a number of digits": (TASKS + "        a: {steps: [{name: a, run: a}]}\n      maxParallel: "
                           + "1" * 100_000 + "\n", None),
    "a python object": ("!!python/object/apply:os.system [id]\n", {"unsupported-tag"}),
    "merge keys": (HEAD + "  a: &a {b: c}\n" + "".join(f"  k{n}: {{<<: [*a, *a]}}\n" for n in range(5000)), None),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str, tmp_path: Path) -> None:
    data, codes = TEXTS[name]
    (tmp_path / "a.yaml").write_bytes(data if isinstance(data, bytes) else data.encode())
    found = said(tmp_path)
    assert found if codes is None else (codes <= found if codes else not found), found


def test_names_of_files_are_shown_harmless(tmp_path: Path) -> None:
    (tmp_path / "a\nb\x1b[31m.yaml").write_text("a: [")
    (tmp_path / os.fsdecode(b"\xff\xfe.yaml")).write_text("a: [")
    assert said(tmp_path)


def test_many_files(tmp_path: Path) -> None:
    for number in range(3000):
        os.close(os.open(tmp_path / f"{number}.yaml", os.O_WRONLY | os.O_CREAT))
    said(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "w", "-p", "a=" + "x" * 100_000),
        ("get", "runs", "-l", "a=b," * 25_000 + "c"),
        ("get", "runs", "-l", "a in (" + "b," * 30_000 + "c)"),
        ("get", "runs", "-l", "(" * 50_000),
        ("get", "runs", "--since", "9" * 100_000 + "d"),
        ("get", "runs", "--limit", "9" * 5000),
        ("describe", "run", "%" * 50_000),
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_arguments_of_a_hundred_kilobytes(words: tuple[str, ...], tmp_path: Path) -> None:
    xene = Terminal(home=tmp_path / "home", cwd=tmp_path, more={"HOME": str(tmp_path)})
    done = xene(*words)
    assert done.code in (0, 2, 4) and "Traceback" not in done.err
