"""The files of migrations, as far as they can be judged without a server."""

from sinks.clickhouse.migrate import Migration, read_migrations
from sinks.clickhouse.rows import ORIGIN_COLUMNS, tables


def test_numbers_follow_each_other():
    assert [migration.number for migration in read_migrations()] == list(range(1, len(read_migrations()) + 1))


def test_every_statement_can_be_repeated():
    statements = [statement for migration in read_migrations() for statement in migration.statements()]
    assert len(statements) > 10
    marks = ("IF NOT EXISTS", "MODIFY TTL", "CREATE OR REPLACE VIEW", "NOT IN (SELECT gone, into FROM mergers)")
    assert all(any(mark in each for mark in marks) for each in statements)


def test_statements_are_cut_at_the_semicolon_that_ends_a_line():
    text = "-- a comment; with one\nSELECT ';';\n\nSELECT\n  2;\n"
    assert list(Migration(1, "x", text).statements()) == ["SELECT ';'", "SELECT\n  2"]


def test_every_table_and_column_that_is_written_is_declared_with_the_same_type():
    text = "\n".join(migration.text for migration in read_migrations())
    for table in tables():
        (body,) = (
            part.split("ENGINE")[0]
            for part in text.split("CREATE TABLE IF NOT EXISTS ")
            if part.split("\n")[0] == table.name
        )
        for column, kind in {**table.columns, **ORIGIN_COLUMNS}.items():
            assert f"    {column} {kind}" in body, (table.name, column)
