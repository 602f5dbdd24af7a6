"""Which host keys are trusted: known_hosts as OpenSSH writes it, certificates as ssh-keygen signs them."""

import shutil
import subprocess
import time

import pytest

from tests.hosts import make_key, sshd_hosts
from tests.transport.test_ssh import fails, ping
from xene.errors import NotTrusted
from xene.transport import hostkeys, ssh
from xene.transport.hostkeys import key_from_text

NOW = time.time()


@pytest.fixture
def keys(tmp_path):
    """Fresh public keys by name."""
    made = {}

    def key(name, kind="ed25519"):
        if name not in made:
            make_key(tmp_path / name, kind)
            made[name] = (tmp_path / f"{name}.pub").read_text().strip()
        return made[name]

    return key


@pytest.fixture
def known(tmp_path):
    def about(text, host="build.example.com", port=22, alias=None, pinned=None, trusted=()):
        path = tmp_path / "known_hosts"
        path.write_text(text)
        return hostkeys.known_about(
            host, port, alias, pinned=pinned, trusted=list(trusted), files=[str(path), str(tmp_path / "none")]
        )

    return about


def verdict(known, key, certificate=None, now=NOW):
    try:
        hostkeys.check("one", known, key_from_text(key), certificate, now=now)
    except NotTrusted as error:
        return error.code
    return "ok"


@pytest.mark.parametrize(
    "pattern, host, port, verdict_",
    [
        ("build.example.com", "build.example.com", 22, "ok"),
        ("build.example.com", "BUILD.example.com", 22, "ok"),
        ("other,build.example.com,10.0.0.1", "build.example.com", 22, "ok"),
        ("*.example.com", "build.example.com", 22, "ok"),
        ("buil?.example.com", "build.example.com", 22, "ok"),
        ("*.example.com,!build.example.com", "build.example.com", 22, "HostKeyUnknown"),
        ("[build.example.com]:2222", "build.example.com", 2222, "ok"),
        ("[build.example.com]:2222", "build.example.com", 22, "HostKeyUnknown"),
        ("[build.example.com]:2222", "build.example.com", 2223, "HostKeyUnknown"),
        ("build.example.com", "build.example.com", 2222, "ok"),
        ("[::1]:2222", "::1", 2222, "ok"),
        ("other", "build.example.com", 22, "HostKeyUnknown"),
    ],
)
def test_names(known, keys, pattern, host, port, verdict_):
    assert verdict(known(f"{pattern} {keys('a')} comment\n", host, port), keys("a")) == verdict_


def test_what_is_no_line_is_passed_over(known, keys):
    text = f"# comment\n\n|1|bad\nhost\nhost ssh-ed25519 !!!\n@what host {keys('b')}\n\xffbuild x\n"
    assert verdict(known(f"{text}build.example.com {keys('a')}\n"), keys("a")) == "ok"


@pytest.mark.skipif(
    not shutil.which("ssh-keygen"), reason="the program `ssh-keygen` is MISSING: openssh-client"
)
def test_hashed_names(known, keys, tmp_path):
    path = tmp_path / "hashed"
    path.write_text(f"build.example.com {keys('a')}\n[build.example.com]:2222 {keys('b')}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    text = path.read_text()
    assert "example" not in text
    assert verdict(known(text), keys("a")) == "ok"
    assert verdict(known(text), keys("b")) == "HostKeyChanged"
    assert verdict(known(text, port=2222), keys("b")) == "ok"
    assert verdict(known(text, "other.example.com"), keys("a")) == "HostKeyUnknown"


def test_an_alias_stands_for_name_and_port(known, keys):
    assert verdict(known(f"nick {keys('a')}\n", port=2222, alias="nick"), keys("a")) == "ok"
    assert verdict(known(f"build.example.com {keys('a')}\n", alias="nick"), keys("a")) == "HostKeyUnknown"


def test_another_key_is_a_change_and_several_may_be_known(known, keys):
    text = f"build.example.com {keys('a')}\nbuild.example.com {keys('b', 'ecdsa')}\n"
    assert [verdict(known(text), keys(name)) for name in "abc"] == ["ok", "ok", "HostKeyChanged"]


def test_the_first_source_that_knows_decides(known, keys):
    text = f"build.example.com {keys('a')}\n"
    pinned, trusted = {"pinned": keys("b")}, {"trusted": [keys("c"), keys("d")]}
    assert [verdict(known(text, **pinned, **trusted), keys(k)) for k in "abc"] == [
        "HostKeyChanged",
        "ok",
        "HostKeyChanged",
    ]
    assert [verdict(known(text, **trusted), keys(k)) for k in "acd"] == ["HostKeyChanged", "ok", "ok"]


def test_a_revoked_key_is_refused_whatever_else_is_said(known, keys):
    text = f"build.example.com {keys('a')}\n@revoked * {keys('a')}\n"
    assert verdict(known(text), keys("a")) == "HostKeyRevoked"
    assert verdict(known(text, pinned=keys("a")), keys("a")) == "HostKeyRevoked"
    assert verdict(known(text, "x", trusted=[keys("a")]), keys("a")) == "HostKeyRevoked"


def test_a_list_of_revoked_keys(keys, tmp_path):
    path = tmp_path / "revoked"

    def about(text):
        path.write_text(text)
        return hostkeys.known_about(
            "build", 22, None, pinned=keys("a"), trusted=[], files=[], revoked_file=str(path)
        )

    assert verdict(about(f"# none\n{keys('b')}\n"), keys("a")) == "ok"
    assert verdict(about(f"{keys('b')}\n\n{keys('a')}\n"), keys("a")) == "HostKeyRevoked"
    with pytest.raises(NotTrusted) as caught:
        about("SSHKRL\n\0")
    assert caught.value.code == "RevokedKeysUnreadable"
    path.unlink()
    with pytest.raises(NotTrusted):
        hostkeys.read_revoked(str(path))


def test_a_refusal_says_what_to_do(known, keys):
    with pytest.raises(NotTrusted) as caught:
        hostkeys.check("one", known(""), key_from_text(keys("a")), None)
    assert key_from_text(keys("a")).fingerprint in caught.value.message
    assert "build.example.com" in caught.value.message
    assert "xene agent trust one" in caught.value.hint


def test_the_fingerprint_is_openssh_s(keys, tmp_path):
    keys("a")
    if not shutil.which("ssh-keygen"):
        pytest.skip("the program `ssh-keygen` is MISSING: openssh-client")
    out = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "a.pub")], capture_output=True, text=True, check=True
    )
    assert out.stdout.split()[1] == key_from_text(keys("a")).fingerprint


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==", "x ä"]
)
def test_a_pin_that_is_no_key(known, text):
    with pytest.raises(NotTrusted) as caught:
        key_from_text(text)
    assert caught.value.code == "HostKeyInvalid"


def test_known_types_are_asked_for_first(known, keys):
    asked = hostkeys.algorithms(known(f"build.example.com {keys('r', 'rsa')}\n"))
    assert asked[:3] == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")
    assert hostkeys.algorithms(known("")) == hostkeys.ALGORITHMS
    asked = hostkeys.algorithms(known(f"@cert-authority *.example.com {keys('a')}\n"))
    assert asked[0] == "ssh-ed25519-cert-v01@openssh.com"
    assert "ssh-ed25519" in asked


# Certificates

pytestmark_certificates = pytest.mark.skipif(
    not shutil.which("ssh-keygen"), reason="the program `ssh-keygen` is MISSING: openssh-client"
)


@pytest.fixture
def sign(tmp_path, keys):
    """A host certificate's blob, made by ssh-keygen."""
    import base64

    def certificate(*options, ca="ca", host="host", names="build.example.com", kind=("-h",)):
        keys(ca), keys(host)
        command = ["ssh-keygen", "-q", "-s", str(tmp_path / ca), "-I", "id", *kind]
        command += ["-n", names] if names else []
        subprocess.run([*command, *options, str(tmp_path / f"{host}.pub")], check=True, capture_output=True)
        return base64.b64decode((tmp_path / f"{host}-cert.pub").read_text().split()[1])

    return certificate


@pytestmark_certificates
@pytest.mark.parametrize("ca_kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("host_kind", ["ed25519", "ecdsa", "rsa"])
def test_a_good_certificate(known, keys, sign, ca_kind, host_kind):
    keys("ca", ca_kind), keys("host", host_kind)
    text = f"@cert-authority *.example.com {keys('ca')}\n"
    assert verdict(known(text), keys("host"), sign()) == "ok"
    assert verdict(known(text, port=2222), keys("host"), sign()) == "ok"
    assert verdict(known(text), keys("host"), sign(names="")) == "ok"


@pytestmark_certificates
def test_bad_certificates(known, keys, sign):
    text = f"@cert-authority *.example.com {keys('ca')}\n"
    bad = {
        "other": sign(names="other.example.com"),
        "user": sign(kind=()),
        "past": sign("-V", "20200101:20210101"),
        "future": sign("-V", "20990101:21000101"),
        "signer": sign(ca="mallory"),
    }
    good = sign()
    bad["signature"] = good[:-1] + bytes([good[-1] ^ 1])
    bad["cut"] = good[:-20]
    bad["serial"] = good.replace(b"build.example.com", b"guild.example.com")
    for name, blob in bad.items():
        assert verdict(known(text), keys("host"), blob) == "HostCertificateInvalid", name
    assert verdict(known(text), keys("host"), good, now=NOW) == "ok"


@pytestmark_certificates
def test_a_revoked_authority_and_a_revoked_host(known, keys, sign):
    text = f"@cert-authority * {keys('ca')}\n@revoked * {keys('ca')}\n"
    assert verdict(known(text), keys("host"), sign()) == "HostCertificateInvalid"
    text = f"@cert-authority * {keys('ca')}\n@revoked * {keys('host')}\n"
    assert verdict(known(text), keys("host"), sign()) == "HostKeyRevoked"


@pytestmark_certificates
def test_a_certificate_of_an_unknown_authority_is_but_its_key(known, keys, sign):
    assert verdict(known(""), keys("host"), sign()) == "HostKeyUnknown"
    assert verdict(known(f"build.example.com {keys('host')}\n"), keys("host"), sign()) == "ok"
    text = f"build.example.com {keys('host')}\n@cert-authority * {keys('ca')}\n"
    assert verdict(known(text), keys("host"), sign("-V", "20200101:20210101")) == "ok"


@pytestmark_certificates
def test_an_authority_s_own_key_is_no_host_s(known, keys):
    assert verdict(known(f"@cert-authority * {keys('ca')}\n"), keys("ca")) == "HostKeyUnknown"


# Real hosts


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    with sshd_hosts(tmp_path, host_keys=("rsa", "ecdsa", "ed25519")) as hosts:
        monkeypatch.setenv("HOME", str(hosts.user_home))
        yield hosts


def place(host):
    return f"[{host.address}]:{host.port}"


def test_an_unknown_host_is_refused_before_any_login(hosts):
    hosts.known_hosts.write_text("")
    error = fails(hosts[0].target(host_key=None), NotTrusted)
    assert error.code == "HostKeyUnknown"
    assert "Accepted" not in hosts[0].log


def test_known_by_any_of_its_keys(hosts):
    for key in hosts[0].host_keys:
        hosts.known_hosts.write_text(f"{place(hosts[0])} {key}\n")
        ping(hosts[0].target(host_key=None))


def test_a_changed_key(hosts, tmp_path):
    hosts.known_hosts.write_text(f"{place(hosts[0])} {make_key(tmp_path / 'other')}\n")
    error = fails(hosts[0].target(host_key=None), NotTrusted)
    assert error.code == "HostKeyChanged"
    assert key_from_text(hosts[0].host_keys[2]).fingerprint in error.message


def test_pinned_and_trusted_in_the_state(hosts, tmp_path):
    other = make_key(tmp_path / "other")
    hosts.known_hosts.write_text("")
    for key in hosts[0].host_keys:
        ping(hosts[0].target(host_key=key))
        ping(hosts[0].target(host_key=None), trusted=[key])
    assert fails(hosts[0].target(host_key=other), NotTrusted).code == "HostKeyChanged"
    assert fails(hosts[0].target(host_key=None), NotTrusted, trusted=[other]).code == "HostKeyChanged"


def test_the_key_that_trust_shows_is_the_one_that_is_then_asked_for(hosts):
    hosts.known_hosts.write_text("")
    shown = ssh.host_key(hosts[0].target(host_key=None))
    assert str(shown) in hosts[0].host_keys
    ping(hosts[0].target(host_key=None), trusted=[str(shown)])


@pytestmark_certificates
def test_a_host_with_a_certificate(hosts, tmp_path):
    authority = make_key(tmp_path / "ca")
    host = hosts[0]
    command = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "id", "-h", "-n", host.address]
    subprocess.run([*command, f"{host.key_files[0]}.pub"], check=True, capture_output=True)
    host.extra = f"HostCertificate {host.key_files[0]}-cert.pub"
    host.restart()
    hosts.known_hosts.write_text(f"@cert-authority {host.address} {authority}\n")
    ping(host.target(host_key=None))
    hosts.known_hosts.write_text(f"@cert-authority {host.address} {make_key(tmp_path / 'other')}\n")
    assert fails(host.target(host_key=None), NotTrusted).code == "HostCertificateInvalid"
