"""The SQLite edge: desired objects and what was observed."""
