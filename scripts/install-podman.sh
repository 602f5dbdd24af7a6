#!/bin/sh
# Podman with a runtime, and a static busybox to make an image of, for the tests in containers. Without them those
# tests say so; nothing else needs them.
set -eu
if command -v podman > /dev/null && { command -v runc || command -v crun; } > /dev/null && command -v busybox > /dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing podman, runc and busybox-static for the tests in containers"
    if { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends podman runc busybox-static; } > /dev/null 2>&1; then
        exit 0
    fi
fi
echo "no podman here: the tests in containers are left out. To run them: apt-get install podman runc busybox-static (or your system's packages)" >&2
