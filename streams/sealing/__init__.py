"""Crypto-shredding: personal records are sealed with a key of their member, and erasure destroys the key.

A log of two years cannot be searched and rewritten for one person. So whatever carries personal data is encrypted on
its way into `member.events`; the key stands in another topic, `member.keys`, from which it can be taken back.

- `envelope`   a sealed record: what it looks like, how it is made and opened
- `master`     keys of members are kept wrapped by a master key, which the environment gives
- `key_record` how a member's keys stand in `member.keys` and in the local stores
- `key_store`  the keys of one partition in RocksDB
- `sealer`     the ingest's side: seals, draws new keys, retires those of erased members
- `key_ring`   the readers' side: follows `member.keys`
- `log_reader` the one place where records of the log are opened and decoded
"""
