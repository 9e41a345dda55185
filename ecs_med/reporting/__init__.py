"""Turns a finished run folder into pictures and one self-contained report."""
