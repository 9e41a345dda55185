"""Imports what training needs, and no more: what the server of processes of a sweep begins with."""

from ecs_med_cli.lean import sparing_imports

with sparing_imports():
    import ecs_med.training.train  # noqa: F401
