"""Answers with values; never draws."""
