"""Tables as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_csv", "as_latex", "as_markdown", "cells_of", "headings_of"]

_NOTHING = "–"  # noqa: RUF001 - an en dash stands for a value that is not there

Document = Mapping[str, Any]


def headings_of(document: Document) -> list[str]:
    """Headings of the printed columns; those without any value are left out."""
    return [heading for heading, _ in _columns(document)]


def cells_of(document: Document) -> list[list[str]]:
    """Printed cells, one list a line."""
    return [[form(line) for _, form in _columns(document)] for line in document["lines"]]


def _columns(document: Document) -> list[tuple[str, Any]]:
    lines = document["lines"]

    def known(key: str) -> bool:
        return any(line[key] is not None for line in lines)

    columns = [
        ("Labels", lambda line: _labels(line)),
        ("Method", lambda line: line["label"]),
        ("mIoU", lambda line: _spread(line["miou"], line["deviation"])),
    ]
    if document["has_published"]:
        columns += [
            ("Published", lambda line: _spread(line["published"], line["published_deviation"])),
            ("Difference", lambda line: _signed(line["difference"])),
        ]
    if known("gain"):
        columns.append(("Gain over supervised", _gain))
    if known("p_value"):
        columns.append(("p (Holm)", lambda line: _p(line["p_value"])))
    if known("selected_share"):
        columns.append(("Selected", lambda line: _percent(line["selected_share"])))
    columns.append(("Runs", lambda line: _runs(line)))
    return columns


def as_markdown(document: Document) -> str:
    """The table with its title, what sets it apart, and its remarks."""
    headings = headings_of(document)
    head = [f"## {document['title']}, {document['dataset']}", ""]
    head += [f"**{document['trial']}**", ""] if document["trial"] else []
    rows = [_markdown_row(headings), _markdown_row(["---"] * 2 + ["---:"] * (len(headings) - 2))]
    rows += [_markdown_row(cells) for cells in cells_of(document)]
    return "\n".join([*head, *rows, "", *_class_table(document), *_notes(document), ""])


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _class_table(document: Document) -> list[str]:
    lines = [line for line in document["lines"] if line["classes"]]
    if not lines:
        return []
    names = [entry[0] for entry in lines[0]["classes"]]
    rows = ["IoU per class in %, the published figure in brackets where it is known:", ""]
    rows.append(_markdown_row(["Labels", "Method", *names]))
    rows.append(_markdown_row(["---", "---", *["---:"] * len(names)]))
    for line in lines:
        cells = [class_cell(entry) for entry in line["classes"]]
        rows.append(_markdown_row([_labels(line), line["label"], *cells]))
    return [*rows, ""]


def class_cell(entry: Sequence[Any]) -> str:
    """`91.2 ± 0.4 (91.9)`: ours with its deviation, and the published one where it is known."""
    _, ours, deviation, published = entry
    spread = f" ± {_number(deviation, 1)}" if deviation is not None else ""
    return _number(ours, 1) + spread + (f" ({published:.1f})" if published is not None else "")


def _notes(document: Document) -> list[str]:
    notes = [
        "mIoU in percent on the test cases: mean over seeds, standard deviation in brackets. The "
        "gain is paired by seed, with its 95 % interval and a paired t-test."
    ]
    if document["deviations"]:
        notes.append(f"Differs from the protocol in: {'; '.join(document['deviations'])}.")
    notes += document["remarks"]
    notes += [f"Without a score, and in no average: {n} ({why})." for n, why in document["missing"]]
    facts = "; ".join(f"{name}: {value}" for name, value in document["facts"])
    return [line for note in [*notes, facts] for line in (note, "")]


def as_latex(document: Document) -> str:
    """A `tabular` for a paper, with booktabs."""
    headings = headings_of(document)
    top = [f"% {document['title']}, {document['dataset']}"]
    top += [f"% {document['trial']}"] if document["trial"] else []
    top += [f"% Differs from the protocol in: {d}" for d in document["deviations"]]
    body = [
        f"\\begin{{tabular}}{{ll{'r' * (len(headings) - 2)}}}",
        "\\toprule",
        " & ".join(_latex(h) for h in headings) + r" \\",
        "\\midrule",
        *(" & ".join(_latex(cell) for cell in row) + r" \\" for row in cells_of(document)),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join([*top, *body, ""])


def _latex(text: str) -> str:
    for plain, escaped in (
        *(("\\", r"\textbackslash{}"), ("%", r"\%"), ("&", r"\&"), ("_", r"\_"), ("#", r"\#")),
        *(("λ", r"$\lambda$"), ("±", r"$\pm$"), ("−", "--")),  # noqa: RUF001
    ):
        text = text.replace(plain, escaped)
    return text


def as_csv(document: Document) -> str:
    """Every number in full, one row a line of the table and one a class."""
    plain = ("label", "budget", "num_labeled", "num_runs", "num_missing")
    numbers = ("miou", "deviation", "published", "published_deviation", "difference")
    more = ("gain", "p_value", "selected_share", "seconds")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*plain, "class", *numbers, *more, "trial"])
    for line in document["lines"]:
        head = [line[key] for key in plain]
        tail = [line[key] for key in more]
        mark = document["trial"] or ""
        writer.writerow([*head, "", *(line[key] for key in numbers), *tail, mark])
        for name, ours, deviation, published in line["classes"]:
            both = None if None in (ours, published) else ours - published
            scores = [ours, deviation, published, None, both]
            writer.writerow([*head, name, *scores, *[None] * len(more), mark])
    return text.getvalue()


def _labels(line: Mapping[str, Any]) -> str:
    number = "" if line["num_labeled"] is None else f" ({line['num_labeled']:,})"
    return f"{line['budget']}{number}"


def _number(value: float | None, digits: int = 2) -> str:
    return _NOTHING if value is None else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:+.2f}"


def _spread(mean: float | None, deviation: float | None) -> str:
    return _number(mean) + (f" ({_number(deviation)})" if deviation is not None else "")


def _gain(line: Mapping[str, Any]) -> str:
    interval = line["gain_interval"]
    told = f" [{interval[0]:+.2f}, {interval[1]:+.2f}]" if interval else ""
    return _signed(line["gain"]) + told


def _p(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{100 * share:.1f} %"


def _runs(line: Mapping[str, Any]) -> str:
    missing = line["num_missing"]
    return f"{line['num_runs']}" + (f", {missing} missing" if missing else "")
