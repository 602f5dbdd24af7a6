"""The SSH edge: how an agent is reached, and its script brought there."""
