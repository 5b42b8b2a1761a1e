"""Where bytes from outside come in."""
