"""What was added to orders is checked and indexed, while users go on

Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

phase = "expand"


def upgrade() -> None:
    # Each statement is a transaction of its own. One that was ended halfway leaves an index that is not valid: it is made anew.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '200ms'")
        op.execute("SET statement_timeout = '30s'")
        op.execute("ALTER TABLE orders VALIDATE CONSTRAINT orders_discount_code_fkey")
        op.execute("ALTER TABLE orders VALIDATE CONSTRAINT orders_discount_code_normal_check")
        op.execute("SET lock_timeout = '0'")  # it waits for whoever reads or writes, and nobody waits behind it
        op.execute("SET statement_timeout = '15min'")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_discount_code")
        op.execute("CREATE INDEX CONCURRENTLY orders_discount_code ON orders (discount_code)")
        op.execute("RESET lock_timeout")
        op.execute("RESET statement_timeout")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '0'")
        op.execute("SET statement_timeout = '15min'")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_discount_code")
        op.execute("RESET lock_timeout")
        op.execute("RESET statement_timeout")
