"""Gateways in front of models: what they route by."""
