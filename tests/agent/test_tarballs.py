"""Artifacts as files: what globs name, the same bytes from the same tree, nothing hostile laid or collected."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import stat
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xene.agent import globs, tarballs
from xene.agent.globs import ArtifactProblem


def tree(root: Path, *paths: str) -> Path:
    """Files whose contents are their names; a path that ends in '/' is a directory."""
    for path in paths:
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(path)
    return root


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tree(
        tmp_path / "work",
        "src/a.c",
        "src/lib/b.c",
        "src/lib/deep/c.h",
        "src/empty/",
        "x.log",
        "y.log",
        ".hidden/f",
    )


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["x.log"], "x.log"),
        (["*.log"], "x.log y.log"),
        (["./x.log", "x.*"], "x.log"),
        (["src/**"], "src/a.c src/empty src/lib src/lib/b.c src/lib/deep src/lib/deep/c.h"),
        (["src/lib"], "src/lib src/lib/b.c src/lib/deep src/lib/deep/c.h"),
        (["src/lib/"], "src/lib src/lib/b.c src/lib/deep src/lib/deep/c.h"),
        (["**/*.c"], "src/a.c src/lib/b.c"),
        (["src/**/c.h"], "src/lib/deep/c.h"),
        (["src/**/**/deep/*"], "src/lib/deep/c.h"),
        (["**/deep"], "src/lib/deep src/lib/deep/c.h"),
        (["src/[a-b].?"], "src/a.c"),
        (["*/f"], ".hidden/f"),
        (["src/empty"], "src/empty"),
    ],
)
def test_what_globs_name(work: Path, patterns: list[str], expected: str) -> None:
    assert sorted(globs.find(str(work), patterns, 100)) == expected.split()


def test_the_whole_workspace(work: Path) -> None:
    assert len(globs.find(str(work), ["**"], 100)) == len(globs.find(str(work), ["."], 100)) == 11


@pytest.mark.parametrize(
    ("glob", "reason", "word"),
    [
        ("nope/*", "ArtifactMissing", "matches nothing"),
        ("x.log/y", "ArtifactMissing", "matches nothing"),
        ("src/empty/**", "ArtifactMissing", "matches nothing"),
        ("../out/x.log", "ArtifactInvalid", "not a path within"),
        ("src/../../work", "ArtifactInvalid", "not a path within"),
        ("/etc/passwd", "ArtifactInvalid", "not a path within"),
        ("", "ArtifactInvalid", "not a path within"),
        ("way/passwd", "ArtifactInvalid", "is a link"),
    ],
)
def test_globs_that_name_nothing_or_leave(work: Path, glob: str, reason: str, word: str) -> None:
    (work / "way").symlink_to("/etc")
    with pytest.raises(ArtifactProblem, match=word) as caught:
        globs.find(str(work), ["x.log", glob], 100)
    assert caught.value.code == reason


def test_links_to_directories_are_never_walked(work: Path) -> None:
    (work / "loop").symlink_to(".")
    (work / "out").symlink_to("/")
    assert list(globs.find(str(work), ["**/a.c"], 100)) == ["src/a.c"]
    with pytest.raises(ArtifactProblem, match="matches nothing"):
        globs.find(str(work), ["**/passwd"], 100)


def test_too_many_files(work: Path) -> None:
    with pytest.raises(ArtifactProblem, match="more than 5 files"):
        globs.find(str(work), ["**"], 5)


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name, order in (("one", ("b", "a/z", "a/y")), ("two", ("a/y", "b", "a/z"))):
        root = tree(tmp_path / name, *order)
        for path in (root / "b", root / "a/z", root / "a/y", root / "a"):
            os.utime(path, (1, 1_700_000_000))
        made.append(tarballs.pack(str(root), ["**"], str(tmp_path / f"{name}.tar")))
        assert stat.S_IMODE((tmp_path / f"{name}.tar").stat().st_mode) == 0o600
    assert made[0] == made[1] and made[0].files == 3
    data = (tmp_path / "one.tar").read_bytes()
    assert made[0][:2] == (len(data), hashlib.sha256(data).hexdigest())
    with tarfile.open(tmp_path / "one.tar") as archive:  # anybody's tar reads it
        assert archive.getnames() == ["a", "a/y", "a/z", "b"]
        assert {(each.uid, each.gid, each.mtime) for each in archive} == {(0, 0, 1_700_000_000)}


def test_setuid_does_not_travel(tmp_path: Path) -> None:
    root = tree(tmp_path / "work", "tool")
    (root / "tool").chmod(0o6755)
    assert _round_trip(tmp_path, root) == 1
    assert stat.S_IMODE((tmp_path / "laid/tool").stat().st_mode) == 0o755


def test_large_sizes_and_long_names_and_names_that_are_no_text(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    long = "/".join(["d" * 100] * 5)
    names = [os.fsencode(long + "/" + "x" * 200), b"\xff\xfe", "ä\n\x1b".encode()]
    for name in names:
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    os.symlink("d" * 100 + "/" + "e" * 150, root / "link")
    assert _round_trip(tmp_path, root) == 4
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path / "laid"), name), "rb") as file:
            assert file.read() == name
    assert os.readlink(tmp_path / "laid/link") == os.readlink(root / "link")


def _round_trip(tmp_path: Path, root: Path) -> int:
    size, sha256, files = tarballs.pack(str(root), ["**"], str(tmp_path / "a.tar"))
    (tmp_path / "laid").mkdir(exist_ok=True)
    assert tarballs.lay(str(tmp_path / "a.tar"), size, sha256, str(tmp_path / "laid")) == files
    return files


NAME = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=60
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 200)
TREE = st.dictionaries(
    st.lists(NAME, min_size=1, max_size=4).map(tuple),
    st.one_of(st.binary(max_size=2000), st.none()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREE, st.integers(0, 0o777))
def test_whatever_is_collected_is_laid_again(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[Any, Any], mode: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("round")
    root = tmp_path / "work"
    root.mkdir()
    for parts, data in wanted.items():
        _plant(root, parts, data, mode | 0o400)
    before = _picture(root)
    if before:
        _round_trip(tmp_path, root)
        assert _picture(tmp_path / "laid") == before
        _round_trip(tmp_path, root)  # over what lies there
        assert _picture(tmp_path / "laid") == before


def _plant(root: Path, parts: tuple[str, ...], data: bytes | None, mode: int) -> None:
    path = root.joinpath(*parts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.mkdir(exist_ok=True)
        elif not path.exists():
            path.write_bytes(data)
            path.chmod(mode)
    except (FileExistsError, NotADirectoryError):
        pass  # another one has that name already


def _picture(root: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (stat.S_IMODE(status.st_mode), int(status.st_mtime), data)
    return found


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../..", "a/../../x", "a/..", "..", ""])
def test_links_that_may_lead_out_are_not_collected(tmp_path: Path, target: str) -> None:
    root = tree(tmp_path / "work", "file")
    if not target:
        return
    (root / "bad").symlink_to(target)
    with pytest.raises(ArtifactProblem, match=r"bad is a link that leads out"):
        tarballs.pack(str(root), ["**"], str(tmp_path / "a.tar"))
    assert list(tmp_path.glob("a.tar*")) == []


def test_links_that_stay_inside_are_kept_as_links(tmp_path: Path) -> None:
    root = tree(tmp_path / "work", "d/e/file")
    (root / "d/e/up").symlink_to("../../d/e/file")
    (root / "down").symlink_to("d/e")
    (root / "dangling").symlink_to("not/there")
    assert _round_trip(tmp_path, root) == 4
    assert (tmp_path / "laid/down/up").read_text() == "d/e/file"


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_is_no_file_is_not_collected(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path / "work", "file")
    monkeypatch.chdir(root)
    if kind == "fifo":
        os.mkfifo("odd")
    else:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("odd")
    with pytest.raises(ArtifactProblem, match="odd is neither a file"):
        tarballs.pack(str(root), ["**"], str(tmp_path / "a.tar"))


def test_more_than_the_limit_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    root = tree(tmp_path / "work", "file")
    with open(root / "sparse", "wb") as file:
        file.truncate(tarballs.MAX_BYTES + 1)
    with pytest.raises(ArtifactProblem, match="more than 10 Gi"):
        tarballs.pack(str(root), ["**"], str(tmp_path / "a.tar"))
    assert list(tmp_path.glob("a.tar*")) == []


# -- tars that `pack` did not write


def _entry(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512)


END = b"\0" * 1024
HOSTILE = {
    "absolute": _entry("/tmp/x", data=b"x"),
    "up": _entry("a/../../x", data=b"x"),
    "dots": _entry("..", tarfile.DIRTYPE),
    "no name": _entry("", data=b"x"),
    "link out": _entry("l", tarfile.SYMTYPE, linkname="/etc"),
    "link up": _entry("d/l", tarfile.SYMTYPE, linkname="../../x"),
    "link through links": _entry("x/y/l", tarfile.SYMTYPE, linkname="../..") + _entry(
        "m", tarfile.SYMTYPE, linkname="x/y/l/../.."
    ),
    "hard link": _entry("h", tarfile.LNKTYPE, linkname="a"),
    "device": _entry("d", tarfile.CHRTYPE, devmajor=1, devminor=3),
    "fifo": _entry("f", tarfile.FIFOTYPE),
    "through a link": _entry("in", tarfile.SYMTYPE, linkname="sub") + _entry("in/x", data=b"x"),
    "file for directory": _entry("f", data=b"x") + _entry("f/x", data=b"x"),
    "cut short": _entry("f", data=b"x" * 2000)[:1500],
    "no end": _entry("f", data=b"x"),
    "no tar": b"hello" * 400,
    "pax bomb": _entry("p", tarfile.XHDTYPE, size=2**40),
    "long name bomb": _entry("././@LongLink", b"L", size=2**40),
    "negative": _entry("f", data=b"x").replace(b"00000000001\0", b"\xff" * 12, 1),
    "directory with contents": _entry("d", tarfile.DIRTYPE, size=512) + b"x" * 512,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tars_touch_nothing_outside(tmp_path: Path, name: str) -> None:
    data = HOSTILE[name] + (b"" if name in ("cut short", "no end") else END)
    inside = tmp_path / "outer" / "inside"
    inside.mkdir(parents=True)
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(ArtifactProblem):
        sha256 = hashlib.sha256(data).hexdigest()
        tarballs.lay(str(tmp_path / "a.tar"), len(data), sha256, str(inside))
    assert sorted(path.name for path in (tmp_path / "outer").iterdir()) == ["inside"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "outer"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.data())
def test_no_bytes_break_the_reader(data: bytes, draw: st.DataObject) -> None:
    good = bytearray(_entry("a/b", data=b"x" * 700) + _entry("l", tarfile.SYMTYPE, linkname="a/b") + END)
    at = draw.draw(st.integers(0, len(good) - 1))
    good[at : at + len(data)] = data
    for each in (bytes(data), bytes(good)):
        try:
            for member in tarballs.members(io.BytesIO(each)):
                assert not member.path.startswith("/") and ".." not in member.path.split("/")
        except ArtifactProblem:
            pass


def _other(tmp_path: Path) -> tuple[int, str]:
    root = tree(tmp_path / "work", "d/f")
    size, sha256, _ = tarballs.pack(str(root), ["**"], str(tmp_path / "a.tar"))
    return size, sha256


@pytest.mark.parametrize("harm", ["a byte", "a link", "gone", "longer"])
def test_a_file_that_is_not_what_was_announced_is_not_laid(tmp_path: Path, harm: str) -> None:
    size, sha256 = _other(tmp_path)
    path = tmp_path / "a.tar"
    acts: dict[str, Callable[[], Any]] = {
        "a byte": lambda: path.write_bytes(path.read_bytes()[:-1] + b"x"),
        "a link": lambda: (path.rename(tmp_path / "b"), path.symlink_to("b")),
        "gone": path.unlink,
        "longer": lambda: path.write_bytes(path.read_bytes() + b"\0"),
    }
    acts[harm]()
    (tmp_path / "laid").mkdir()
    with pytest.raises((ArtifactProblem, OSError)):
        tarballs.lay(str(path), size, sha256, str(tmp_path / "laid"))
    assert list((tmp_path / "laid").iterdir()) == []


@pytest.mark.parametrize("way", ["link", "file"])
def test_nothing_is_written_through_what_stands_in_the_way(tmp_path: Path, way: str) -> None:
    size, sha256 = _other(tmp_path)
    laid, outside = tmp_path / "laid", tmp_path / "outside"
    laid.mkdir()
    outside.mkdir()
    if way == "link":
        (laid / "d").symlink_to(outside)
    else:
        (laid / "d").write_text("mine")
    with pytest.raises(ArtifactProblem, match="stands where the directory d is to be"):
        tarballs.lay(str(tmp_path / "a.tar"), size, sha256, str(laid))
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    size, sha256 = _other(tmp_path)
    (tmp_path / "laid/d").mkdir(parents=True)
    (tmp_path / "secret").write_text("untouched")
    (tmp_path / "laid/d/f").symlink_to(tmp_path / "secret")
    tarballs.lay(str(tmp_path / "a.tar"), size, sha256, str(tmp_path / "laid"))
    assert (tmp_path / "laid/d/f").read_text() == "d/f"
    assert (tmp_path / "secret").read_text() == "untouched"


def test_closed_directories_are_laid_and_laid_again(tmp_path: Path) -> None:
    root = tree(tmp_path / "work", "d/f")
    (root / "d").chmod(0o500)
    assert _round_trip(tmp_path, root) == _round_trip(tmp_path, root) == 1
    assert stat.S_IMODE((tmp_path / "laid/d").stat().st_mode) == 0o500
    (root / "d").chmod(0o700)
    (tmp_path / "laid/d").chmod(0o700)


@pytest.mark.parametrize(
    ("size", "text"), [(812, "812"), (3482, "3.4Ki"), (12 * 2**20, "12Mi"), (2**40, "1024Gi")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert tarballs.size_text(size) == text
