"""One file a verb: plain arguments in, exit code out."""
