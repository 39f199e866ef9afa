"""Pages that answer what the fleet is doing."""
