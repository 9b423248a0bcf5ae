"""The ClickHouse sink: every record of the pipeline in tables, exactly once."""
