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
    "SELECT member_id FROM t WHERE arrayExists(x -> x = 'a', splitByChar('/', url)) AND t.file > 1",
    "SELECT member_id FROM t ARRAY JOIN splitByChar(',', ids) AS a, range(3) AS b WHERE trim(BOTH ' ' FROM f(a)) > ''",
    "SELECT member_id FROM t JOIN (SELECT (1) AS x) AS u ON lower(a) = upper(b), values('x Int8', 1) AS v, zeros(1)",
    "SELECT member_id FROM t WHERE a IS NOT DISTINCT FROM lower(b) AND x IN (FROM generateSeries(1, 2) SELECT *)",
    "SELECT member_id FROM (VALUES (toDate('2026-01-01')), (today())) UNION ALL SELECT f(1), g(2) FROM `the table`",
    "SELECT member_id FROM t, u GROUP BY f(a), g(b) ORDER BY h(a), i(b) LIMIT 1 BY j(a), k(b) // '",
    "SELECT 1 /* a */ AS a, /**/ /*/ * / */ member_id, '/* /*' FROM t -- /* /*",
    "SELECT 1 AS `SELECT`, '\\x41 $$ \u2018' AS member_id # of \u2018all\u2019",
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
        (
            "SELECT member_id FROM `url`('http://x', 'CSV', 'member_id String')",
            "`url`: expected the name of a function",
        ),
        ("SELECT member_id FROM `file` /* */ ('x')", "`file`: expected the name of a function without quotes"),
        ("SELECT `file`('/etc/hostname') AS member_id", "`file`: expected the name of a function without quotes"),
        ("SELECT member_id FROM \"URL\"('http://x')", '"URL": expected the name of a function without quotes'),
        ("SELECT \"fil\\x65\"('/etc/hostname')", "expected a name without backslashes"),
        ("SELECT $$'$$, file('/etc/hostname'), $$'$$", "`$` ('$') isn't expected outside of quotes"),
        ("SELECT \u2018'\u2019, file('/etc/hostname'), \u2018'\u2019", "isn't expected outside of quotes"),
        ("SELECT \u201cfile\u201d('/etc/hostname')", "isn't expected outside of quotes"),
        ("SELECT file\u200b('/etc/hostname')", "('\\u200b') isn't expected outside of quotes"),
        ("SELECT 1 // '\n, file('/etc/hostname') --'", "`file` reads from outside"),
        ("SELECT 1 /* /* */ ' */, file('/etc/hostname') --'", "a comment stands in a comment"),
        ("SELECT * APPLY(file) FROM (SELECT '/etc/hostname' AS member_id)", "file: may be called as a function"),
        ("SELECT * APPLY `file` FROM (SELECT '/etc/hostname' AS member_id)", "`file`: may be called as a function"),
        ("SELECT arrayMap((file AS f), ['/etc/hostname'])[1] AS member_id", "file: may be called as a function"),
        ("SELECT member_id FROM prometheusQuery('t', 'up', now())", "`prometheusQuery` reads from outside"),
        ("SELECT member_id FROM dictionary('d')", "`dictionary` reads from outside"),
        ("SELECT dictGetString('d', 'a', 1) AS member_id", "`dictGetString` reads from outside"),
        ("SELECT aiGenerate('x') AS member_id", "`aiGenerate` reads from outside"),
        (
            "SELECT hasColumnInTable('host', 'u', 'p', 'd', 't', 'c') AS member_id",
            "`hasColumnInTable` reads from outside",
        ),
        ("SELECT member_id FROM merge('.*')", "`merge` isn't one of the table functions"),
        ("SELECT member_id FROM t AS a, loop(t) AS b", "`loop` isn't one of the table functions"),
        (
            "SELECT member_id FROM t GLOBAL ANY LEFT JOIN newInThisVersion('x') AS b USING x",
            "`newInThisVersion` isn't one",
        ),
        ("WITH a AS (FROM new('x') SELECT *) SELECT member_id FROM a", "`new` isn't one of the table functions"),
        ("SELECT member_id FROM t AS limit, new('x') AS b", "`new` isn't one of the table functions"),
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
