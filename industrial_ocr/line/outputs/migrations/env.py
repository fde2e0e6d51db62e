"""Run by Alembic, on the connection that ``sql.Database`` hands it."""

from alembic import context

from industrial_ocr.line.outputs.sql import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
)
context.run_migrations()
