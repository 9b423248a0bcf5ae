"""Policies: what defers or suppresses a message. One kind, one file: its parameters, docs, example and code."""
