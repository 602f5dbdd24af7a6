#!/bin/sh
# OpenSSH's server, for the tests that reach real hosts. Without it those tests say so; nothing else needs it.
set -eu
sshd=$(command -v sshd || true)
[ -n "$sshd" ] || { [ -x /usr/sbin/sshd ] && sshd=/usr/sbin/sshd; } || true
if [ -n "$sshd" ] && command -v ssh-keygen > /dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing openssh-server for the tests over SSH"
    if { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends openssh-server; } > /dev/null 2>&1; then
        exit 0
    fi
fi
echo "no sshd here: the tests over SSH are left out. To run them: apt-get install openssh-server (or your system's package)" >&2
