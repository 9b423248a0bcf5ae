"""Whether a text can be one reading SELECT, as far as that can be said without ClickHouse. Pure; used by `lint`.

Not a parser: it reads words past quotes and comments, so that what ClickHouse takes isn't refused. What it refuses is
what would make a subquery something else (a second statement, a bracket that closes ours), write, change settings, or
reach out of the database: functions that read files, addresses and other servers. ClickHouse itself has the last
word, in `streams.segments.evaluate`: it describes the query with `readonly`, and the DSN's user has the rights it has.
"""

import re
from collections.abc import Iterator

SQL_CHARS_MAX = 20_000
_OPEN, _CLOSE = "([{", ")]}"
_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*|\#[!\x20][^\n]*|/\*.*?\*/)
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
_OUTSIDE = re.compile(
    r"(?:url|file|s3|gcs|oss|cosn|hdfs|remote|mysql|postgresql|mongodb|redis|sqlite|odbc|jdbc|executable|input|python|hive"
    r"|azureblobstorage|iceberg|deltalake|hudi|paimon|arrowflight|ytsaurus|cluster(?:allreplicas)?)"
    r"(?:s3|azure|hdfs|local)?(?:cluster|secure)?"
)
"""Functions that read from outside the database."""


def sql_mistake(sql: str) -> str | None:
    """What is wrong with it, None if nothing is seen."""
    if len(sql) > SQL_CHARS_MAX:
        return f"expected at most {SQL_CHARS_MAX} characters, not {len(sql)}"
    tokens = list(_tokens(sql))
    if any(kind == "open" for kind, _ in tokens):
        return f"a quote or comment isn't closed: {next(text for kind, text in tokens if kind == 'open')}"
    if not tokens or tokens[0][1].lower() not in {"select", "with"}:
        return "expected one SELECT (or WITH … SELECT)"
    return _bracket_mistake(tokens) or _clause_mistake(tokens)


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "blank":
            yield str(match.lastgroup), match.group()


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
        if word and following == "(" and _OUTSIDE.fullmatch(word):
            return f"`{text}` reads from outside of the database"
        before = word or text
    return None
