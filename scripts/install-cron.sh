#!/bin/sh
# The real `crontab`, for the test of what an agent writes into one. That test works on a spool of its own.
set -eu
if command -v crontab > /dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing cron for the test of crontabs"
    if { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends cron; } > /dev/null 2>&1; then
        exit 0
    fi
fi
echo "no crontab here: one test is left out. To run it: apt-get install cron (or your system's package)" >&2
