"""What happens next in a run: pure deciders, shared by agent and control host. Ships to hosts."""
