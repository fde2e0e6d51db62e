"""The table of readings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("job_hash", sa.Text, nullable=False),
        sa.Column("weights", JSON, nullable=False),
        sa.Column("picture", sa.Text, nullable=False),
        sa.Column("picture_sha256", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("raw_text", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("characters", JSON, nullable=False),
        sa.Column("expected", sa.Text),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("latency", sa.Float, nullable=False),
    )
    op.create_index("readings_time", "readings", ["time"])
    op.create_index("readings_text", "readings", ["text"])
