"""What things are: frozen, normalised values. Ships to hosts; pure."""
