"""Warm headroom: what is kept ready, and what more would take."""
