"""How it is said between control host and agent: messages and their frames. Ships to hosts; pure."""
