"""Pages for those who run the console."""
