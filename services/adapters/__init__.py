"""Implementations of the ports against the real world. The only importers of its client libraries."""
