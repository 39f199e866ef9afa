"""The pages of the console, and nothing else: no page script lies directly in this folder."""
