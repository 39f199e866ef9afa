"""The metric catalogue: one entry, one panel everywhere."""
