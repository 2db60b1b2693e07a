drop materialized view daily_sales;
drop table orders;
