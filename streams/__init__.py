"""Rekindle: the path of an event, from a source topic to the commands that follow from it."""
