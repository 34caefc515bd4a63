"""${message}

Revises: ${down_revision or "nothing"}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

phase = "expand"  # expand (adds, old code runs on), migrate (backfill) or contract (removes; two people, no warm reader)


def upgrade() -> None:
    # Users wait behind a lock that we wait for: give up soon, run again later.
    op.execute("SET LOCAL lock_timeout = '200ms'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '200ms'")
    op.execute("SET LOCAL statement_timeout = '30s'")
    ${downgrades if downgrades else "pass"}
