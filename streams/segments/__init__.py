"""Segments that are decided outside the engine: uploaded lists, SQL over ClickHouse, RFM; and exports of any segment.

What they decide comes into the log as `segment_assigned` and `segment_removed`, through a source topic like any event.
"""
