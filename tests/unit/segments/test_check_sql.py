"""What `lint` refuses of a segment's SQL, and that it leaves alone what ClickHouse takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.segments.check_sql import sql_mistake

SOUND = [
    "SELECT key AS member_id FROM events",
    "select distinct member_id from purchases where total > 10 -- of the year",
    "WITH a AS (SELECT 1 AS x) SELECT member_id FROM purchases WHERE x IN (SELECT x FROM a)",
    "SELECT member_id FROM purchase_lines WHERE name = 'a; drop (table' AND sku != \"it's\"",
    "SELECT member_id FROM t WHERE a = 'it''s \\' (' /* ) */ AND b = [1, 2] AND c = `)`",
    "SELECT format('{}', member_id) AS member_id, extract(month FROM toDate(x)) FROM t, numbers(5)",
    "SELECT a.format, settings.x AS settings, URLHierarchy(url) FROM t",
    "SELECT member_id FROM t WHERE url = 'x' AND file > 1",
]


@pytest.mark.parametrize("sql", SOUND)
def test_what_reads_is_left_alone(sql):
    assert sql_mistake(sql) is None


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "expected one SELECT"),
        ("  -- nothing", "expected one SELECT"),
        ("INSERT INTO t SELECT 1", "expected one SELECT"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "`INSERT` writes"),
        ("SELECT 1; DROP TABLE t", "without a semicolon"),
        ("SELECT 1;", "without a semicolon"),
        ("SELECT 1) FROM (SELECT 2", "`)` closes nothing"),
        ("SELECT (1", "expected `)` before its end"),
        ("SELECT [1)", "`)` closes nothing"),
        ("SELECT 'a", "a quote or comment isn't closed: '"),
        ("SELECT /* a", "a quote or comment isn't closed: /*"),
        ("SELECT member_id FROM t SETTINGS readonly = 0", "`SETTINGS` changes settings"),
        ("SELECT member_id FROM (SELECT 1 settings max_threads = 9)", "`settings` changes settings"),
        ("SELECT 1 INTO OUTFILE 'x'", "`OUTFILE` writes a file"),
        ("SELECT 1 FORMAT JSON", "`FORMAT` chooses a format"),
        ("SELECT * FROM url('http://x')", "`url` reads from outside"),
        ("SELECT member_id FROM t, s3Cluster('c', 'x')", "`s3Cluster` reads from outside"),
        ("SELECT member_id FROM a JOIN remoteSecure('x', d, t) USING x", "`remoteSecure` reads from outside"),
        ("SELECT file('/etc/passwd') AS member_id", "`file` reads from outside"),
        ("SELECT " + "1, " * 10_000 + "1", "expected at most 20000 characters"),
    ],
)
def test_what_is_no_reading_select_is_named(sql, message):
    found = sql_mistake(sql)
    assert found is not None
    assert message in found


@given(st.text(alphabet="SELECT()[]{}'\"`-/*;, \n\\ab1", max_size=40))
def test_whatever_passes_stays_inside_of_our_brackets(text):
    """What is taken closes each bracket that it opens, and has no second statement, however it is quoted."""
    if sql_mistake("SELECT " + text) is None:
        assert sql_mistake(f"SELECT x FROM (SELECT {text}\n)") is None
