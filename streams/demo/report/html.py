"""Pieces of HTML that the sections share. `body` and the cells of `rows` are HTML already, all else is plain text."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from streams.demo.report.queries import Answer
from streams.demo.report.svg import whole


def section(title: str, lead: str, body: str, *answers: Answer) -> str:
    """Frame a section, with the queries that it was drawn from beneath."""
    queries = "\n\n".join(answer.sql for answer in answers)
    which = "The query behind it" if len(answers) == 1 else "The queries behind it"
    shown = f"<details><summary>{which}</summary><pre>{escape(queries)}</pre></details>" if answers else ""
    about = f"<p>{escape(lead)}</p>" if lead else ""
    return f"<section><h2>{escape(title)}</h2>{about}{body}{shown}</section>"


def columns(*cells: tuple[str, str, str]) -> str:
    """Set (title, lead, body) side by side, two in a row."""
    inner = "".join(
        f"<div><h3>{escape(title)}</h3>{f'<p>{escape(lead)}</p>' if lead else ''}{body}</div>"
        for title, lead, body in cells
    )
    return f'<div class="columns">{inner}</div>'


def legend(colours: Mapping[str, str]) -> str:
    """Explain the colours."""
    items = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for name, colour in colours.items())
    return f'<ul class="legend">{items}</ul>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int) -> str:
    """Build a table; all columns after the first `text_columns` hold numbers."""

    def cell(tag: str, index: int, content: str) -> str:
        return f"<{tag}{' class=n' if index >= text_columns else ''}>{content}</{tag}>"

    head = "".join(cell("th", index, escape(name)) for index, name in enumerate(heads))
    lines = "".join(f"<tr>{''.join(cell('td', index, item) for index, item in enumerate(row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def share(part: float, of: float) -> str:
    """Print a count and its share of another."""
    return f"{whole(part)}<small>{part / of:.1%}</small>" if of else whole(part)


def milliseconds(seconds: float) -> str:
    """Print a short time."""
    return f"{seconds * 1000:,.1f} ms"
