"""What the fleet costs: use cases of the pages about money."""
