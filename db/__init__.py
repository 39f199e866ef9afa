"""What the product remembers: models, sessions, repositories, migrations."""
