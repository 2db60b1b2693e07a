"""What the shop's application does: it takes orders."""

import psycopg2

# libpq reads PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.
with psycopg2.connect("") as connection, connection.cursor() as cursor:
    cursor.execute(
        """
        insert into products (id, name, price) values (1, 'lamp', 40), (2, 'chair', 90) on conflict do nothing;
        insert into orders (product_id, day, pieces)
        values (1, current_date, 2), (1, current_date, 1), (2, current_date, 1)
        """
    )
