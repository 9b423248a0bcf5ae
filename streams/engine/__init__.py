"""Everything that decides. Pure: no Kafka, no Faust, no files, no clock, no randomness.

Its hot modules may have been compiled (`streams.compiled`): what decides is the same.
"""

from streams.compiled import ENGINE, prefer

prefer(__path__, ENGINE)
