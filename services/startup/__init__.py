"""Starts of GPU pods: what is recorded of them, and what would make them faster."""
