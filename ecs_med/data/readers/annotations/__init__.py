"""Annotation files: regions that were drawn on pictures, with the names of their classes."""
