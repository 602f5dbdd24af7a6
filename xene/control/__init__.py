"""Loops: read, plan, write, tell the agents."""
