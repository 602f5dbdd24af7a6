"""Benchmarks: they report, they never judge. `python -m bench [NAME ...]`."""
