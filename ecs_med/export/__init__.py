"""Models and data in the forms of other tools: one module a target, found by its name."""

from ecs_med.export.base import EXPORTS, Export, ExportReport, Request, export

__all__ = ["EXPORTS", "Export", "ExportReport", "Request", "export"]
