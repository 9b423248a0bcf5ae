"""What leaves the pipeline: rows for ClickHouse, messages for the gateways."""
