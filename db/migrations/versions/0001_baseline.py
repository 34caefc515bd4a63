"""Products, orders and their lines

Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

phase = "baseline"

CATALOGUE = [
    (1, "Oak desk lamp", "A warm light on a turned foot of oak.", 8900, "standard"),
    (2, "Linen notebook", "Ninety-six pages, lies flat, takes ink.", 1450, "standard"),
    (3, "Brass ruler", "Thirty centimetres that outlast you.", 2200, "standard"),
    (4, "Wool blanket", "Woven from the wool of one flock.", 12900, "standard"),
    (5, "Enamel mug", "Holds three decilitres and most falls.", 1290, "standard"),
    (6, "Canvas bag", "Carries a week's shopping, folds into a pocket.", 2490, "standard"),
    (7, "Pocket atlas", "Every country, few opinions.", 1890, "reduced"),
    (8, "The lighthouse keeper", "A novel. Little happens, all of it matters.", 1680, "reduced"),
    (9, "Coffee beans", "A kilogram, roasted on Mondays.", 2350, "reduced"),
    (10, "Mountain honey", "Half a kilogram from above the tree line.", 990, "reduced"),
    (11, "Kitchen timer", "Sixty minutes, one bell, no battery.", 1790, "standard"),
    (12, "Ship in a bottle", "Ready to slide down its slipway.", 3499, "standard"),
]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    products = _create_products()
    _create_orders()
    _create_order_lines()
    columns = ("id", "name", "description", "price_cents", "tax_class")
    op.bulk_insert(products, [dict(zip(columns, row, strict=True)) for row in CATALOGUE])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    for table in ("order_lines", "orders", "products"):
        op.drop_table(table)


def _create_products() -> sa.Table:
    return op.create_table(
        "products",
        sa.Column("id", sa.Integer, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price_cents", sa.BigInteger, nullable=False),
        sa.Column("tax_class", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("products_pkey")),
        sa.CheckConstraint("price_cents > 0", name=op.f("products_price_positive_check")),
        sa.CheckConstraint("tax_class IN ('standard', 'reduced')", name=op.f("products_tax_class_known_check")),
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid, server_default=sa.func.gen_random_uuid()),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("coupon", sa.Text),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("discount_cents", sa.BigInteger, nullable=False),
        sa.Column("net_cents", sa.BigInteger, nullable=False),
        sa.Column("tax_cents", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=op.f("orders_pkey")),
        sa.UniqueConstraint("client_id", "idempotency_key", name=op.f("orders_client_id_idempotency_key_key")),
        sa.CheckConstraint("discount_cents >= 0 AND net_cents >= 0 AND tax_cents >= 0", name=op.f("orders_amounts_not_negative_check")),
    )
    op.create_index("orders_newest_first", "orders", ["client_id", "created_at", "id"])


def _create_order_lines() -> None:
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("line_number", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("product_id", sa.Integer, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price_cents", sa.BigInteger, nullable=False),
        sa.Column("discount_cents", sa.BigInteger, nullable=False),
        sa.Column("net_cents", sa.BigInteger, nullable=False),
        sa.Column("tax_cents", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "line_number", name=op.f("order_lines_pkey")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("order_lines_order_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("order_lines_product_id_fkey")),
        sa.CheckConstraint("quantity > 0", name=op.f("order_lines_quantity_positive_check")),
        sa.CheckConstraint(
            "discount_cents >= 0 AND net_cents >= 0 AND tax_cents >= 0", name=op.f("order_lines_amounts_not_negative_check")
        ),
    )
