create table orders (day date not null, amount integer not null);
create materialized view daily_sales as select day, sum(amount) as amount from orders group by day;
create unique index on daily_sales (day);
