"""One module a command; what is slow to import is imported where it is used."""
