#!/bin/sh
# tmux: the terminal in which tests drive the live screen, and which the README's picture is taken from.
set -eu
if command -v tmux > /dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing tmux for the tests of the live screen"
    if { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends tmux; } > /dev/null 2>&1; then
        exit 0
    fi
fi
echo "no tmux here: the tests in a terminal are left out. To run them: apt-get install tmux (or your system's package)" >&2
