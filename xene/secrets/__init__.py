"""Where the values of secrets come from, on the control host."""
