"""How a stage runs: Faust for group and assignment, one event per fetched batch, one Kafka transaction per batch."""
