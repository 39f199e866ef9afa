"""How Alembic reaches the database: over the connection it was given, else over the settings.

``alembic revision --autogenerate -m "…"`` compares the models with the database of the settings.
"""

import os

from alembic import context
from sqlalchemy import Connection

from db import models
from db import tables as _more_tables  # noqa: F401 - registers them
from db.engine import WRITES, open_engine
from services import settings


def run(connection: Connection) -> None:
    """Run the wanted migrations on a connection, in its transaction."""
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = open_engine(settings.load(os.environ).database_url.get_secret_value())
    with engine.connect().execution_options(**WRITES) as opened, opened.begin():
        run(opened)
