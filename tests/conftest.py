"""What holds for the whole suite."""

from __future__ import annotations

import signal

# Started with `nohup`, or with `&` from a script, these are ignored, and children inherit it: no Ctrl-C then.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
