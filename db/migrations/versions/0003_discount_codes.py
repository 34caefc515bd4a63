"""Discount codes beside the free-text coupon; the backfill of orders; the schema window

Revises: 0002
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

phase = "expand"

NORMAL = "~ '^[A-Z0-9-]{1,64}$'"
# As db/flags.json was then.
DISCOUNT_CODES = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {
        "owner": "store",
        "kind": "release",
        "expires": "2027-06-30",
        "description": "Coupons are read as codes of the table discount_codes, instead of as text.",
    },
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    _create_codes()
    _create_backfills()
    _create_window()
    op.execute(f"INSERT INTO flags (key, definition, version) VALUES ('discount-codes', '{json.dumps(DISCOUNT_CODES)}', 1)")  # noqa: S608 - our own text
    # Last, for users wait from here to the end of the transaction. Neither reads the table: 0004 does, without a lock that anybody waits for.
    op.add_column("orders", sa.Column("discount_code", sa.Text))
    op.create_foreign_key(
        op.f("orders_discount_code_fkey"), "orders", "discount_codes", ["discount_code"], ["code"], postgresql_not_valid=True
    )
    op.create_check_constraint(op.f("orders_discount_code_normal_check"), "orders", f"discount_code {NORMAL}", postgresql_not_valid=True)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    op.drop_column("orders", "discount_code")
    for table in ("unknown_coupons", "backfills", "schema_window", "discount_codes"):
        op.drop_table(table)
    op.execute("DELETE FROM flags WHERE key = 'discount-codes'")


def _create_codes() -> None:
    codes = op.create_table(
        "discount_codes",
        sa.Column("code", sa.Text),
        sa.Column("percent_off", sa.SmallInteger),
        sa.Column("free_every", sa.SmallInteger),
        sa.PrimaryKeyConstraint("code", name=op.f("discount_codes_pkey")),
        sa.CheckConstraint(f"code {NORMAL}", name=op.f("discount_codes_code_normal_check")),
        sa.CheckConstraint("num_nonnulls(percent_off, free_every) = 1", name=op.f("discount_codes_one_rule_check")),
        sa.CheckConstraint("coalesce(percent_off BETWEEN 1 AND 100, free_every > 1)", name=op.f("discount_codes_rule_makes_sense_check")),
    )
    op.bulk_insert(
        codes,
        [{"code": "WELCOME10", "percent_off": 10, "free_every": None}, {"code": "THREEFORTWO", "percent_off": None, "free_every": 3}],
    )


def _create_backfills() -> None:
    """Where each backfill is, and what it found that it could not fill in."""
    op.create_table(
        "backfills",
        sa.Column("name", sa.Text),
        sa.Column("after_id", sa.Uuid),
        sa.Column("upper_id", sa.Uuid),
        sa.Column("seen", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("filled", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("name", name=op.f("backfills_pkey")),
    )
    op.execute("INSERT INTO backfills (name) VALUES ('discount-code')")
    op.create_table(
        "unknown_coupons",
        sa.Column("order_id", sa.Uuid),
        sa.Column("coupon", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("unknown_coupons_pkey")),
    )


def _create_window() -> None:
    """At most one row. Contract steps raise the floor; this one only begins to say it."""
    op.create_table(
        "schema_window",
        sa.Column("one", sa.Boolean, server_default=sa.true()),
        sa.Column("floor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("schema_window_pkey")),
        sa.CheckConstraint("one", name=op.f("schema_window_one_row_check")),
    )
    op.execute("INSERT INTO schema_window (floor) VALUES ('0002')")
