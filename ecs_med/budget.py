"""`ecs_med.budget(...)`: what labels buy, and beside it `ecs_med.budget.draw_split`.

The module can be called, because both names are public: a function of the package, and the place
where scripts find the draw of labelled cases.
"""

import sys
from types import ModuleType

from ecs_med.splits import draw_split
from ecs_med.sweep.budget import BudgetReport, budget

__all__ = ["BudgetReport", "budget", "draw_split"]


class _CallableModule(ModuleType):
    __call__ = staticmethod(budget)


sys.modules[__name__].__class__ = _CallableModule
