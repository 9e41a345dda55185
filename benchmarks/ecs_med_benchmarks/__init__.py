"""Published protocols and numbers."""
