-- How far a run came matters only as long as its changes are kept (30 days); the steps name members.
ALTER TABLE segment_run_steps MODIFY TTL toDateTime(at) + INTERVAL 60 DAY;
