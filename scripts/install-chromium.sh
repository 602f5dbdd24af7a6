#!/bin/sh
# Chromium: the browser in which tests open the live screen.
set -eu
if command -v chromium > /dev/null || command -v chromium-browser > /dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing chromium for the tests of the live screen in a browser"
    if { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } > /dev/null 2>&1; then
        exit 0
    fi
fi
echo "no chromium here: the tests in a browser are left out. To run them: apt-get install chromium (or your system's package)" >&2
