"""Which of the given masks look wrong: networks that never saw a mask judge it."""

from ecs_med.audit.softmin import TEMPERATURE, softmin

__all__ = ["TEMPERATURE", "softmin"]
