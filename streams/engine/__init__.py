"""Everything that decides. Pure: no Kafka, no Faust, no files, no clock, no randomness."""
