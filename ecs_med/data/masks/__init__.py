"""What stored mask values mean."""
