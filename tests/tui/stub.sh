#!/bin/sh
# Stands in for `xene`: says what it was called with; what $STUB names is refused.
printf '%s\n' "$*" >> "$XENE_HOME/called"
case "$1" in
  logs) [ -n "$STUB_LOG" ] && sh -c "$STUB_LOG"; exit 0 ;;
esac
case " $STUB_REFUSED " in
  *" $1 "*) echo "error: it has ended already" >&2; echo "hint: look again" >&2; exit "${STUB_CODE:-7}" ;;
esac
echo "done: $1"
