#!/bin/sh
# Stands in for `xene`: says what it was called with, or the runs of $STUB_RUNS; what $STUB_REFUSED names is refused,
# with $STUB_WORDS, once $STUB_WAITS is there.
printf '%s\n' "$*" >> "$XENE_HOME/called"
case "$1" in
  logs) [ -n "$STUB_LOG" ] && exec sh -c "$STUB_LOG"; exit 0 ;;
esac
[ -n "$STUB_WAITS" ] && until [ -e "$STUB_WAITS" ]; do sleep 0.05; done
case " $STUB_REFUSED " in
  *" $1 "*)
    printf 'error: %s\nhint: look again\n' "${STUB_WORDS:-it has ended already}" >&2
    exit "${STUB_CODE:-7}" ;;
esac
case "$1" in
  run|rerun) [ -n "$STUB_RUNS" ] && { echo "$STUB_RUNS"; exit 0; } ;;
esac
echo "done: $1"
