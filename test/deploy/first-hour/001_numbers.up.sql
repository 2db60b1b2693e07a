reset role;
create schema first_hour authorization viewkeeper_views;
create materialized view first_hour.numbers as select n from generate_series(1, 1000) as n;
create unique index on first_hour.numbers (n);
alter materialized view first_hour.numbers owner to viewkeeper_views;
