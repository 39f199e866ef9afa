"""How inference engines serve: what they are asked, how full they are, how fast they answer, and how they are set."""
