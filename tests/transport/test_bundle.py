"""The bundle: the same bytes for the same sources, built once, safe beside other builders."""

import hashlib
import io
import os
import stat
import subprocess
import sys
import threading
import zipfile

import platformdirs
import pytest

import xene
from xene.transport import bundle

ROOT = os.path.dirname(os.path.dirname(xene.__file__))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "xene"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own, so that its sources may be changed."""
    package = tmp_path / "src" / "xene"
    for name in ("model", "engine", "wire", "agent", "transport", "model/__pycache__"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text(f"# {name}\n")
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("")
    monkeypatch.setattr(bundle, "__file__", str(package / "transport" / "bundle.py"))
    return package


def names(built):
    return zipfile.ZipFile(io.BytesIO(built.data())).namelist()


def test_it_holds_what_ships_and_nothing_else(cache, package):
    assert names(bundle.build()) == [
        "__main__.py",
        "cronsim/__init__.py",
        "cronsim/cronsim.py",
        "xene/__init__.py",
        "xene/agent/__init__.py",
        "xene/engine/__init__.py",
        "xene/errors.py",
        "xene/model/__init__.py",
        "xene/wire/__init__.py",
    ]


def test_its_name_is_its_digest_and_it_is_private(cache):
    before = os.umask(0)
    try:
        built = bundle.build()
    finally:
        os.umask(before)
    assert built.path == str(cache / f"{built.sha}.pyz")
    assert hashlib.sha256(built.data()).hexdigest() == built.sha
    assert stat.S_IMODE(os.stat(cache).st_mode) == 0o700
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in cache.iterdir()} == {0o600}


def test_it_is_reproducible(cache, package):
    first = bundle.build()
    for path in cache.iterdir():
        path.unlink()
    for path in package.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    assert bundle.build().sha == first.sha


def test_it_is_built_once(cache, package):
    first = bundle.build()
    inode = os.stat(first.path).st_ino
    again = bundle.build()
    assert (again.path, again.sha, os.stat(again.path).st_ino) == (first.path, first.sha, inode)
    assert again.data() == first.data()


def test_a_changed_a_new_and_a_removed_source_give_another(cache, package):
    seen = {bundle.build().sha}
    (package / "agent" / "__init__.py").write_text("# changed\n")
    seen.add(bundle.build().sha)
    (package / "agent" / "new.py").write_text("")
    seen.add(bundle.build().sha)
    (package / "errors.py").unlink()
    seen.add(bundle.build().sha)
    assert len(seen) == 4


def test_a_damaged_cache_does_no_harm(cache, package):
    first = bundle.build()
    whole = first.data()
    with open(first.path, "wb") as file:
        file.write(b"x")
    assert bundle.build().data() == whole


def test_without_a_cache_it_is_built_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    built = bundle.build()
    assert built.path == ""
    assert hashlib.sha256(built.data()).hexdigest() == built.sha


def test_old_ones_go(cache, package):
    for n in range(bundle.KEPT + 3):
        (package / "errors.py").write_text(f"# {n}\n")
        built = bundle.build()
    assert os.path.exists(built.path)
    assert len(list(cache.glob("*.pyz"))) == bundle.KEPT


def test_builders_beside_each_other(cache, package):
    built = []
    threads = [threading.Thread(target=lambda: built.append(bundle.build())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(one.sha, one.data()) for one in built}) == 1
    assert not list(cache.glob("*.tmp"))


def test_the_cache_is_where_platformdirs_says(monkeypatch):
    for value in ("/some/where", "", None):
        if value is None:
            monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        else:
            monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert bundle.cache_directory() == platformdirs.user_cache_dir("xene")


def test_the_command_prints_path_digest_and_size(cache):
    out = subprocess.run(
        [sys.executable, "-m", "xene.transport.bundle"],
        env={**os.environ, "PYTHONPATH": ROOT, "XDG_CACHE_HOME": str(cache.parent)},
        check=True,
        capture_output=True,
        text=True,
    )
    path, sha, size = out.stdout.split()
    assert os.path.getsize(path) == int(size)
    assert os.path.basename(path) == f"{sha}.pyz"
