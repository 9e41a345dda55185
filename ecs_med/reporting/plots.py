"""Draws a figure for the page, and as SVG and PNG for a paper.

The page's copy is drawn with placeholder colours, which become CSS variables afterwards: so it
reads well in light, in dark and in print. The copies for a paper have colours of their own.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ecs_med.names import file_name, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DASHES", "Draw", "Drawing", "Pen", "draw_figure", "draw_for_page", "is_picture"]

DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (5, 1.6),
    (1.2, 1.4),
    (6, 2, 1, 2),
    (3, 1),
    (8, 1.4, 1.4, 1.4, 1.4, 1.4),
)
"""One a series, so that colour is never needed alone."""

_MARKERS = "osD^vP"
_PNG_DPI = 200
_DRAWING_ELEMENTS = {"svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect"}
_DRAWING_ATTRIBUTES = {
    *("class", "role", "aria-label", "viewBox", "id", "style", "clip-path", "href"),
    *("d", "x", "y", "width", "height", "transform"),
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure.

    Attributes:
        name: File name without suffix, and prefix of its ids in the page.
        page: The `<svg>` element for the page.
        svg: The file for a paper; `png` is the same in pixels.
    """

    name: str
    title: str
    caption: str
    page: str
    svg: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Pen:
    """Colours of one copy of a figure: text, axes and grid, and one for each of `DASHES`."""

    ink: str
    faint: str
    series: tuple[str, ...]

    def style(self, place: int) -> dict[str, Any]:
        """Colour, marker and dashes of a series by its place, repeated after the last."""
        place %= len(self.series)
        dashes = DASHES[place]
        return {
            "color": self.series[place],
            "marker": _MARKERS[place],
            "linestyle": (0, dashes) if dashes else "-",
        }


Draw = Callable[["Figure", Pen], None]
"""Draws into an empty figure with the colours of the pen."""

_PAGE = Pen("#010101", "#020202", tuple(f"#0301{place:02x}" for place in range(len(DASHES))))
# As `--series-N` of `page.css` in print: apart for every form of colour blindness.
_PAPER = Pen(
    "#1d2733",
    "#c4c9c6",
    ("#0072b2", "#c44e00", "#00795a", "#a8467f", "#8a6a00", "#5a4fb0"),
)


def draw_figure(
    name: str,
    draw: Draw,
    *,
    title: str,
    caption: str,
    alt: str,
    size: tuple[float, float] = (4.7, 2.9),
) -> Drawing:
    """Draw a figure in all its copies.

    Args:
        name: File name without suffix; see `file_name`.
        draw: Called once for the page and once for the paper.
        title: Heading above it.
        caption: One or two sentences below it.
        alt: What a reader who cannot see the figure should know.
        size: Width and height in inches.

    Returns:
        The copies; the same input gives the same bytes.
    """
    name = file_name(name, distinct=True)
    svg, png = _copies(draw, _PAPER, size, png=True)
    return Drawing(name, title, caption, draw_for_page(name, draw, alt, size), svg, png)


def draw_for_page(name: str, draw: Draw, alt: str, size: tuple[float, float] = (4.7, 2.9)) -> str:
    """Draw the copy for the page alone; arguments as of `draw_figure`.

    Returns:
        An `<svg>` element whose ids all begin with `name`; the same input gives the same text.
    """
    return _for_page(_copies(draw, _PAGE, size, png=False)[0], name, alt)


def _copies(draw: Draw, pen: Pen, size: tuple[float, float], *, png: bool) -> tuple[str, bytes]:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_style(pen)):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        draw(figure, pen)
        text, pixels = io.StringIO(), io.BytesIO()
        figure.savefig(text, format="svg", transparent=not png, metadata=_NO_METADATA)
        if png:
            figure.savefig(pixels, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return visible(text.getvalue()), pixels.getvalue()


def _style(pen: Pen) -> dict[Any, Any]:
    return {
        **dict.fromkeys(("axes.edgecolor", "grid.color"), pen.faint),
        **dict.fromkeys(("axes.labelcolor", "text.color", "xtick.color", "ytick.color"), pen.ink),
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.unicode_minus": False,
        "axes.formatter.useoffset": False,
        "font.size": 11.5,
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.9,
        "path.simplify": True,
        "svg.fonttype": "none",
        "svg.hashsalt": "ecs-med",
        "text.parse_math": False,
    }


def _for_page(svg: str, name: str, alt: str) -> str:
    """Make a file into an element: page colours, page font, ids of its own, an alternative text."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>|<defs>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r">\s+<", "><", svg)
    # Tags alone: text is what others call their methods and classes.
    svg = re.sub(r"<[^<>]*>", lambda tag: _tag_for_page(tag[0], name), svg)
    opening = re.match(r"<svg[^>]*>", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    if opening is None or box is None:
        raise AssertionError("matplotlib wrote no svg element")
    return (
        f'<svg class="chart" {box[0]} role="img" aria-label="{escape(alt)}">'
        f"{svg[opening.end() :].strip()}"
    )


def _tag_for_page(tag: str, name: str) -> str:
    """One tag with the page's colours, sizes and ids."""
    tag = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), tag)
    tag = re.sub(r' xmlns(:xlink)?="[^"]*"', "", tag)
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'href="#', f'href="#{name}-', tag).replace("xlink:href", "href")
    tag = tag.replace("url(#", f"url(#{name}-")
    tag = tag.replace(_PAGE.ink, "var(--ink)").replace(_PAGE.faint, "var(--line)")
    tag = re.sub(r"#0301(\d\d)", lambda found: f"var(--series-{int(found[1])})", tag)
    # The browser's own font: sizes stay, families go.
    tag = re.sub(r"font: (?:\w+ )*?([\d.]+px)[^;\"]*", r"font-size: \1", tag)
    return re.sub(r"font-family:[^;\"]*;?", "", tag)


def is_picture(svg: str) -> bool:
    """Whether a stored `<svg>` element does nothing but draw, as `draw_for_page` makes it.

    A page takes it as it is, so a file must bring no script, no link and no other element.
    """
    try:
        # Declarations, and so entities, are not taken at all.
        elements = [] if "<!" in svg else [*ElementTree.fromstring(svg).iter()]
    except ElementTree.ParseError:
        return False
    return bool(elements) and all(map(_only_draws, elements))


def _only_draws(element: ElementTree.Element) -> bool:
    if element.tag not in _DRAWING_ELEMENTS:
        return False
    for key, value in element.attrib.items():
        if key not in _DRAWING_ATTRIBUTES or (key == "href" and not value.startswith("#")):
            return False
        # What a style may name lies in the picture itself.
        if re.search(r"url\((?!#)|[\\@<>]", value) and key != "aria-label":
            return False
    return True
