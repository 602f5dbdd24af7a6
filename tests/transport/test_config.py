"""`~/.ssh/config`, read as `ssh` reads it; `ssh -G` itself is the judge where the machine has it."""

import os
import shutil
import subprocess

import pytest

from xene.errors import NotTrusted, Unreachable
from xene.model.agent import Ssh
from xene.transport import config, route


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()

    def write(text, name="config"):
        path = tmp_path / ".ssh" / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    return write


def hops(path, host="build", **fields):
    return route.route(Ssh(host, **fields), files=(path,))


def hop(path, host="build", **fields):
    (only,) = hops(path, host, **fields)
    return only


def reason(path, host="build", **fields):
    with pytest.raises((Unreachable, NotTrusted)) as caught:
        hops(path, host, **fields)
    return caught.value


CONFIGS = {
    "plain": "Host build\n  HostName 10.0.0.7\n  Port 2222\n  User ci\n",
    "equals and quotes": 'Host="build"\nHostName = 10.0.0.7\nUser="c i"\nPort=2222\n',
    "first wins": "Host build\nPort 1\nHost *\nPort 2\nUser star\n",
    "wildcard and negation": "Host b* !build\nUser no\nHost bu?ld\nUser yes\n",
    "before any host": "User before\nHost build\nUser after\n",
    "token in host name": "Host build\nHostName %h.example.com\n",
    "alias": "Host build\nHostKeyAlias nick\nConnectTimeout 3\n",
    "match": "Match originalhost build\nUser m\nMatch all\nPort 7\n",
    "match negated": "Match !originalhost other\nUser m\n",
    "match host sees host name": "Host build\nHostName a.example.com\nMatch host *.example.com\nUser m\n",
    "match user": "Host build\nUser u\nMatch user u\nPort 9\n",
    "match exec": 'Match exec "test %n = build"\nUser yes\nMatch exec false\nPort 9\n',
    "match final": "Match final\nUser late\nHost build\nPort 5\n",
    "comments": "# User x\nHost build # not other\n  User u\n",
    "case": "HOST build\nPORT 77\n",
    "identities": "Host build\nIdentityFile ~/.ssh/a\nHost *\nIdentityFile ~/.ssh/b\nIdentitiesOnly yes\n",
    "known hosts": 'Host build\nUserKnownHostsFile ~/.ssh/k1 "/tmp/k 2"\nGlobalKnownHostsFile none\n',
    "jump": "Host build\nProxyJump me@jump:2200\n",
    "jump none": "Host build\nProxyJump none\nHost *\nProxyJump other\n",
    "proxy command": "Host build\nUser u\nPort 9\nProxyCommand nc %h %p %r %n %%\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_it_says_what_ssh_says(write, name, tmp_path):
    path = write(CONFIGS[name])
    ours = hops(path)[-1]
    if not shutil.which("ssh"):
        pytest.skip("the program `ssh` is MISSING: openssh-client")
    out = subprocess.run(
        ["ssh", "-F", path, "-G", "build"], capture_output=True, text=True, check=True
    ).stdout
    theirs = {}
    for line in out.splitlines():
        key, _, value = line.partition(" ")
        theirs.setdefault(key, []).append(value)
    assert ours.host == theirs["hostname"][0]
    assert str(ours.port) == theirs["port"][0]
    assert ours.user == theirs["user"][0]
    assert (ours.alias or "") == theirs.get("hostkeyalias", [""])[0]
    assert ours.only == (theirs["identitiesonly"] == ["yes"])
    if name == "identities":
        assert [os.path.expanduser(one) for one in theirs["identityfile"]] == list(ours.identities)
    assert (len(hops(path)) == 2) == ("proxyjump" in theirs)
    assert bool(ours.proxy_command) == ("proxycommand" in theirs)


def test_values(write, tmp_path):
    assert hop(write(CONFIGS["alias"])).seconds == 3
    assert hop(write(CONFIGS["proxy command"])).proxy_command == "nc build 9 u build %"
    assert hop(write(CONFIGS["known hosts"])).known_hosts == (f"{tmp_path}/.ssh/k1", "/tmp/k 2")
    assert hop(write("")).known_hosts[0] == f"{tmp_path}/.ssh/known_hosts"
    assert hop(write("")).seconds == route.CONNECT_SECONDS
    assert hop(write("")).revoked is None
    assert hop(write("RevokedHostKeys ~/.ssh/gone\n")).revoked == f"{tmp_path}/.ssh/gone"
    assert hop(write("IdentityFile %d/x-%r-%p\nUser u\n")).identities == (f"{tmp_path}/x-u-22",)


def test_the_manifest_wins(write, tmp_path):
    path = write("Host build\nUser no\nPort 1\nProxyJump other\nIdentityFile /no\n")
    first, last = hops(path, user="u", port=2, identity_file="~/key", jump="j@jump:3", host_key="k")
    assert (last.user, last.port, last.identities, last.only, last.pinned) == (
        "u",
        2,
        (f"{tmp_path}/key",),
        True,
        "k",
    )
    assert (first.host, first.user, first.port, first.pinned) == ("jump", "j", 3, None)
    assert len(hops(path, jump="none")) == 1


def test_defaults(write, tmp_path):
    found = hop(str(tmp_path / "none"))
    assert (found.host, found.port, found.user) == ("build", 22, config.login())
    assert found.identities == tuple(f"{tmp_path}/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
    assert not found.explicit and not found.only


def test_each_jump_host_has_its_own_configuration(write):
    path = write(
        "Host a\nHostName 10.0.0.1\nUser ua\nProxyJump gate\nHost b\nPort 22022\nProxyJump elsewhere\n"
    )
    found = [(one.name, one.host, one.user, one.port) for one in hops(path, jump="a,x@b,ssh://y@[::1]:5")]
    me = config.login()
    assert found == [
        ("gate", "gate", me, 22),
        ("a", "10.0.0.1", "ua", 22),
        ("b", "b", "x", 22022),
        ("::1", "::1", "y", 5),
        ("build", "build", me, 22),
    ]


def test_include(write, tmp_path):
    write("User included\nHost build\nPort 7\n", "more.conf")
    path = write("Include more.conf none-*.conf\nHost build\nPort 8\nHostName h\n")
    found = hop(path)
    assert (found.user, found.port, found.host) == ("included", 7, "h")
    path = write("Host other\nInclude ~/.ssh/more.conf\nHost build\nPort 8\n")
    assert (hop(path).port, hop(path).user) == (8, config.login())


@pytest.mark.parametrize(
    "text, line, what",
    [
        ("Host build\nPort many\n", 2, "'port' wants a number"),
        ("\nUser\n", 2, "'User' has no value"),
        ('User "a\n', 1, "no closing quotation"),
        ("Match tagged x\n", 1, "`Match tagged` is not understood"),
        ("Include config\n", 1, "include each other"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(write, text, line, what):
    path = write(text)
    error = reason(path)
    assert error.code == "SshConfigInvalid"
    assert error.message.startswith(f"{path}:{line}: ")
    assert what in error.message


def test_what_cannot_be_followed(write):
    assert reason(write("Host *\nProxyJump gate\n")).code == "SshConfigInvalid"
    assert reason(write(""), jump="a:b:c").code == "SshConfigInvalid"
    assert reason(write("IdentityFile %z\n")).code == "SshConfigInvalid"


def test_a_file_that_others_may_write_is_not_trusted(write):
    path = write("User u\n")
    os.chmod(path, 0o622)
    assert reason(path).code == "SshConfigUnsafe"


@pytest.mark.parametrize(
    "text, want",
    [("90", 90), ("1m30s", 90), ("2H", 7200), ("none", 0), ("0", 0), (None, 0), ("1w1d", 691200)],
)
def test_times(text, want):
    assert config.seconds(text) == want
