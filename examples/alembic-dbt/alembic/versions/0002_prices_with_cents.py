"""Prices have cents"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.alter_column("products", "price", type_=sa.Numeric(12, 2))


def downgrade():
    op.alter_column("products", "price", type_=sa.Integer)
