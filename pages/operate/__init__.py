"""Pages that change things."""
