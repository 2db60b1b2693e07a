from alembic import context
from sqlalchemy import create_engine

# libpq reads PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.
with create_engine("postgresql+psycopg2://").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
