"""The live screen: `xene status` on a terminal. The only room that knows textual; it acts by commands alone."""
