"""Scans whose files and folders may be called as patients are: taken in under other names.

The engine sees paths below the user's cache alone, so that no message, log, report, result or name
in a cache can hold what a hospital called its files. Those paths are links, in folders that only
their owner can enter; following one leads back to the file.
"""
