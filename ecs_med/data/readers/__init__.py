"""Formats of images: how files are recognized, read and written."""
