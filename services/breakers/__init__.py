"""Circuit breakers: what they did, what is wrong with them, and hosts that have none."""
