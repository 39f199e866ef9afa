"""A change as a value: plans and their steps, patches, guards, and how they are told."""
