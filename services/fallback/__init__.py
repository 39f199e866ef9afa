"""How often own GPUs did not answer, why, and what that cost: the Fallback page."""
