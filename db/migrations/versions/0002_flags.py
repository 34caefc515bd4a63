"""Flags, their changes, the freeze of flags, and tokens of those who change them; the volume discount as a part of a discount

Revises: 0001
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

phase = "expand"

# As db/flags.json was then.
PRICING_V2 = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {
        "owner": "store",
        "kind": "release",
        "expires": "2027-05-31",
        "description": "Volume discount: 5 % off a line of 3 pieces or more, 10 % off 10 or more.",
    },
}
DISCOUNTED = ("orders", "order_lines")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    for table in DISCOUNTED:  # a constant default rewrites nothing; releases that do not know the column leave it at 0
        op.add_column(table, sa.Column("volume_discount_cents", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    _create_flags()
    _create_changes()
    _create_freeze()
    _create_tokens()
    op.execute(f"INSERT INTO flags (key, definition, version) VALUES ('pricing-v2', '{json.dumps(PRICING_V2)}', 1)")  # noqa: S608 - our own text


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    for table in ("ops_tokens", "flag_freeze", "flag_changes", "flags"):
        op.drop_table(table)
    for table in DISCOUNTED:
        op.drop_column(table, "volume_discount_cents")


def _create_flags() -> None:
    op.create_table(
        "flags",
        sa.Column("key", sa.Text),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("key", name=op.f("flags_pkey")),
        sa.CheckConstraint("version > 0", name=op.f("flags_version_positive_check")),
    )


def _create_changes() -> None:
    op.create_table(
        "flag_changes",
        sa.Column("seq", sa.BigInteger, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("flag", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("old", sa.JSON(none_as_null=True)),
        sa.Column("new", sa.JSON(none_as_null=True)),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("flag_changes_pkey")),
        sa.UniqueConstraint("prev", name=op.f("flag_changes_prev_key")),
        sa.CheckConstraint("seq > 0", name=op.f("flag_changes_seq_positive_check")),
    )


def _create_freeze() -> None:
    """At most one row; none where flags are not frozen."""
    op.create_table(
        "flag_freeze",
        sa.Column("one", sa.Boolean, server_default=sa.true()),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("one", name=op.f("flag_freeze_pkey")),
        sa.CheckConstraint("one", name=op.f("flag_freeze_one_row_check")),
    )


def _create_tokens() -> None:
    op.create_table(
        "ops_tokens",
        sa.Column("id", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("ops_tokens_pkey")),
    )
