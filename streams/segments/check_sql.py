"""Whether a text can be one reading SELECT, as far as that can be said without ClickHouse. Pure; used by `lint`.

Not a parser: it reads words past quotes and comments, so that what ClickHouse takes isn't refused. What it refuses is
what would make a subquery something else (a second statement, a bracket that closes ours), write, change settings, or
reach out of the database: functions that read files, addresses and other servers. Of table functions only a few are
taken, since ClickHouse has new ones with every version; other functions are refused by name. ClickHouse itself has the
last word, in `streams.segments.evaluate`: it describes the query with `readonly`, and the DSN's user has the rights it
has.
"""

import re
from collections.abc import Iterator

SQL_CHARS_MAX = 20_000
_OPEN, _CLOSE = "([{", ")]}"
_TOKEN = re.compile(
    r"""
    (?P<nested>/\*(?:(?!\*/).)*?/\*)
    |(?P<blank>\s+|--[^\n]*|//[^\n]*|\#[!\x20][^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\]|\\.|'')*')
    |(?P<name>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d\w*)
    |(?P<open>/\*|'|"|`)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLAUSES = {
    "settings": "changes settings",
    "outfile": "writes a file",
    "format": "chooses a format, but the answer stays in ClickHouse",
    "insert": "writes",
}
"""Words that would begin such a clause; as the name of a column they are written in quotes."""
_MODELS = r"ai(?:classify|embed|extract|filter|generate|redact|similarity|translate)"
_OUTSIDE = re.compile(
    r"(?:url|file|s3|gcs|oss|cosn|hdfs|remote|mysql|postgresql|mongodb|redis|sqlite|odbc|jdbc|executable|input|python|hive"
    r"|azureblobstorage|iceberg|deltalake|hudi|paimon|arrowflight|ytsaurus|cluster(?:allreplicas)?)"
    r"(?:s3|azure|hdfs|local)?(?:cluster|secure)?"
    r"|filesystem|arrowstream|bigquery|eval|prometheusquery(?:range)?|dictionary|dict(?:get|has|isin)\w*"
    r"|catboostevaluate|modelevaluate|hascolumnintable|reversednsquery|getclienthttpheader"
    rf"|{_MODELS}"
)
"""Functions that read from outside the database, be it by way of a dictionary, whose source may be anywhere."""
_HANDED_ON = re.compile(rf"file|reversednsquery|{_MODELS}")
"""Those of one text: `arrayMap(file, paths)` calls them without a bracket of their own, and so does APPLY."""
_HANDS_ON = re.compile(r"array\w*|map\w*")
_TABLE_FUNCTIONS = {"numbers", "numbers_mt", "zeros", "zeros_mt", "values", "generateseries", "generate_series", "view"}
_NO_TABLES = {
    *("select", "where", "prewhere", "group", "having", "order", "limit", "window", "qualify"),
    *("union", "intersect", "except", "settings", "offset"),
}
"""Words after which a comma isn't one between tables."""
_SIGNS = frozenset("()[]{},.;+-*/%<>=!|:?@&^~")


def sql_mistake(sql: str) -> str | None:
    """What is wrong with it, None if nothing is seen."""
    if len(sql) > SQL_CHARS_MAX:
        return f"expected at most {SQL_CHARS_MAX} characters, not {len(sql)}"
    tokens = list(_tokens(sql))
    if any(kind == "nested" for kind, _ in tokens):  # whose end closes both, or one, depending on the version
        return "a comment stands in a comment"
    if any(kind == "open" for kind, _ in tokens):
        return f"a quote or comment isn't closed: {next(text for kind, text in tokens if kind == 'open')}"
    if not tokens or tokens[0][1].lower() not in {"select", "with"}:
        return "expected one SELECT (or WITH … SELECT)"
    return _sign_mistake(tokens) or _bracket_mistake(tokens) or _clause_mistake(tokens) or _function_mistake(tokens)


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "blank":
            yield str(match.lastgroup), match.group()


def _sign_mistake(tokens: list[tuple[str, str]]) -> str | None:
    """Name what we may read otherwise than ClickHouse: `$$` or a curly quote begins a text, and names have escapes."""
    for kind, text in tokens:
        if kind == "sign" and text not in _SIGNS:
            return f"`{text}` ({text!a}) isn't expected outside of quotes"
        if kind == "name" and "\\" in text:
            return f"{text}: expected a name without backslashes"
    return None


def _bracket_mistake(tokens: list[tuple[str, str]]) -> str | None:
    expected: list[str] = []
    for kind, text in tokens:
        if kind != "sign":
            continue
        if text == ";":
            return "expected one statement, without a semicolon"
        if text in _OPEN:
            expected.append(_CLOSE[_OPEN.index(text)])
        elif text in _CLOSE and (not expected or expected.pop() != text):
            return f"`{text}` closes nothing"
    return f"expected `{expected[-1]}` before its end" if expected else None


def _clause_mistake(tokens: list[tuple[str, str]]) -> str | None:
    before = ""
    for (kind, text), (_, following) in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        word = text.lower() if kind == "word" else ""
        if word in _CLAUSES and before not in {".", "as"} and following not in {"(", "."}:
            return f"`{text}` {_CLAUSES[word]}: expected one SELECT"
        before = word or text
    return None


def _function_mistake(tokens: list[tuple[str, str]]) -> str | None:
    followed = list(zip(tokens, [*tokens[1:], ("", "")], strict=True))
    hands_on = any(
        kind == "word" and (text.lower() == "apply" or (following == "(" and _HANDS_ON.fullmatch(text.lower())))
        for (kind, text), (_, following) in followed
    )
    table_places = _table_places(tokens)
    before = ""
    for place, ((kind, text), (_, following)) in enumerate(followed):
        word = text.lower() if kind == "word" else text[1:-1].lower() if kind == "name" else ""
        if following == "(" and kind == "name":
            return f"{text}: expected the name of a function without quotes, so that it is seen which one it is"
        if word and following == "(" and _OUTSIDE.fullmatch(word):
            return f"`{text}` reads from outside of the database"
        if word and following == "(" and place in table_places and word not in _TABLE_FUNCTIONS:
            return (
                f"`{text}` isn't one of the table functions that a segment may use: "
                "numbers, zeros, values, generateSeries, view"
            )
        if hands_on and before not in {".", "as"} and following != "." and _HANDED_ON.fullmatch(word):
            return (
                f"{text}: may be called as a function that reads from outside of the database, "
                f"by `APPLY` or by a function of arrays or maps; if it is a column, write `the_table.{word}`"
            )
        before = word or text
    return None


class _Level:
    """What is between a bracket and the one that closes it."""

    def __init__(self, *, table_next: bool = False) -> None:
        self.table_next = table_next
        self.is_empty = True
        self.is_query = False
        self.names_tables = False


def _table_places(tokens: list[tuple[str, str]]) -> set[int]:
    """Return where a table or table function is named: after FROM and JOIN, and after a comma between tables."""
    places = set()
    levels = [_Level()]
    before, before_that = "", ""
    for place, (kind, text) in enumerate(tokens):
        level = levels[-1]
        word = text.lower() if kind == "word" and before not in {".", "as"} else ""
        table_here, level.table_next = level.table_next, False
        first, level.is_empty = level.is_empty, False
        if kind == "sign" and text in _OPEN:
            levels.append(_Level(table_next=table_here))
        elif kind == "sign" and text in _CLOSE:
            levels.pop()
        elif text == ",":
            level.table_next = level.names_tables
        elif word in {"select", "with"}:
            level.is_query, level.names_tables = True, False
        elif word in _NO_TABLES:
            level.names_tables = False
        elif word == "from" and (first or level.is_query):  # no `extract(month FROM …)`
            level.is_query = True
            level.names_tables = level.table_next = not (before == "distinct" and before_that in {"is", "not"})
        elif word == "join":
            level.names_tables = level.table_next = before != "array"
        elif table_here:
            places.add(place)
        before, before_that = text.lower(), before
    return places
