"""Executes pipelines on a host: a detached, journalled, single-threaded daemon. Ships to hosts."""
