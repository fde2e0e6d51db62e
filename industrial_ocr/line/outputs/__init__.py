"""Where readings go: one module for each kind of output."""
