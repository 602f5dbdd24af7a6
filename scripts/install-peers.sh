#!/bin/sh
# What the benchmarks compare with, where it can be had: Dagu from npm, GNU parallel from Debian, Ansible from PyPI.
set -eu
mkdir -p .bench
if [ ! -x .bench/node_modules/@dagu-org/dagu-linux-x64/bin/dagu ] && command -v npm > /dev/null; then
    npm install --silent --no-audit --no-fund --prefix .bench @dagu-org/dagu-linux-x64@1.30.2 > /dev/null 2>&1 || echo "no Dagu: npm could not install it" >&2
fi
if ! command -v parallel > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y parallel; } > /dev/null 2>&1 || echo "no GNU parallel" >&2
fi
if [ ! -x .bench/ansible/bin/ansible-playbook ] && command -v ssh > /dev/null; then
    { "${PYTHON:-python3}" -m venv .bench/ansible && .bench/ansible/bin/pip install --quiet --disable-pip-version-check ansible-core; } > /dev/null 2>&1 || echo "no Ansible: pip could not install it" >&2
fi
