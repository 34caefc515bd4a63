"""The tables as this release knows them. `alembic check` holds them against the migrations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

AnyRow = Row[*tuple[Any, ...]]

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

# `table.column`: those that this code does without already, and that a later contract step removes.
LEAVING: frozenset[str] = frozenset()

products = Table(
    "products",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("price_cents", BigInteger, nullable=False),
    Column("tax_class", Text, nullable=False),
    CheckConstraint("price_cents > 0", name="price_positive"),
    CheckConstraint("tax_class IN ('standard', 'reduced')", name="tax_class_known"),
)

discount_codes = Table(
    "discount_codes",
    metadata,
    Column("code", Text, primary_key=True),
    Column("percent_off", SmallInteger),
    Column("free_every", SmallInteger),
    CheckConstraint("code ~ '^[A-Z0-9-]{1,64}$'", name="code_normal"),
    CheckConstraint("num_nonnulls(percent_off, free_every) = 1", name="one_rule"),
    CheckConstraint("coalesce(percent_off BETWEEN 1 AND 100, free_every > 1)", name="rule_makes_sense"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("client_id", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("coupon", Text),  # as typed
    Column("discount_code", Text, ForeignKey("discount_codes.code")),  # what that meant
    Column("currency", Text, nullable=False),
    Column("discount_cents", BigInteger, nullable=False),
    Column("volume_discount_cents", BigInteger, nullable=False, server_default=text("0")),  # a part of discount_cents
    Column("net_cents", BigInteger, nullable=False),
    Column("tax_cents", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("client_id", "idempotency_key"),
    CheckConstraint("discount_cents >= 0 AND net_cents >= 0 AND tax_cents >= 0", name="amounts_not_negative"),
    CheckConstraint("discount_code ~ '^[A-Z0-9-]{1,64}$'", name="discount_code_normal"),
    Index("orders_newest_first", "client_id", "created_at", "id"),
    Index("orders_discount_code", "discount_code"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("line_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("product_id", Integer, ForeignKey("products.id"), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price_cents", BigInteger, nullable=False),
    Column("discount_cents", BigInteger, nullable=False),
    Column("volume_discount_cents", BigInteger, nullable=False, server_default=text("0")),  # a part of discount_cents
    Column("net_cents", BigInteger, nullable=False),
    Column("tax_cents", BigInteger, nullable=False),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("discount_cents >= 0 AND net_cents >= 0 AND tax_cents >= 0", name="amounts_not_negative"),
)

flags = Table(
    "flags",
    metadata,
    Column("key", Text, primary_key=True),
    Column("definition", JSONB, nullable=False),  # in flagd's form
    Column("version", Integer, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("version > 0", name="version_positive"),
)

flag_changes = Table(
    "flag_changes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),  # the text that was hashed
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("flag", Text),
    Column("reason", Text, nullable=False),
    Column("old", JSON(none_as_null=True)),  # not JSONB: that rewrites numbers, and the hash is over them
    Column("new", JSON(none_as_null=True)),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("prev"),
    CheckConstraint("seq > 0", name="seq_positive"),
)

flag_freeze = Table(
    "flag_freeze",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=true()),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("one", name="one_row"),
)

ops_tokens = Table(
    "ops_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
)

schema_window = Table(
    "schema_window",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=true()),
    Column("floor", Text, nullable=False),  # a release must at least be made for this revision to run here
    CheckConstraint("one", name="one_row"),
)

backfills = Table(
    "backfills",
    metadata,
    Column("name", Text, primary_key=True),
    Column("after_id", Uuid),  # all up to this id are done
    Column("upper_id", Uuid),  # the last one that was there at the start
    Column("seen", BigInteger, nullable=False, server_default=text("0")),
    Column("filled", BigInteger, nullable=False, server_default=text("0")),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

unknown_coupons = Table(
    "unknown_coupons",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("coupon", Text, nullable=False),
)
