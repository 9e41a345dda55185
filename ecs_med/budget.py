"""A module that can be called: `ecs_med.budget(...)`, and `ecs_med.budget.draw_split` in it."""

import sys
from types import ModuleType

from ecs_med.splits import draw_split
from ecs_med.sweep.budget import BudgetReport, budget

__all__ = ["BudgetReport", "budget", "draw_split"]


class _CallableModule(ModuleType):
    __call__ = staticmethod(budget)


sys.modules[__name__].__class__ = _CallableModule
