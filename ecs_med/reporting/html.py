"""One self-contained HTML page from a template."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

__all__ = ["rendered_page"]


def rendered_page(
    template: str,
    *,
    package: str = "ecs_med.reporting",
    styles: Sequence[str] = ("report.css",),
    **context: Any,
) -> str:
    """Fill a template; everything in it is escaped but `style`.

    Args:
        template: Its file name.
        package: Where it lies.
        styles: Style sheets of `ecs_med.reporting` that make up the variable `style`.
        **context: Variables of the template; a missing one is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    root, _, folder = package.partition(".")
    environment = Environment(
        loader=PackageLoader(root, folder or "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheets = files("ecs_med.reporting")
    style = "".join(sheets.joinpath(name).read_text(encoding="utf-8") for name in styles)
    return environment.get_template(template).render(style=Markup(style), **context)
