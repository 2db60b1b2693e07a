-- viewkeeper: {
--   "why": "sales of each day and shop, and the best days",
--   "define": {
--     "schema": "public",
--     "name": "daily_sales",
--     "indexes": [
--       {"name":"daily_sales_key","unique":true,"on":"(\"day\")"}
--     ],
--     "maxStalenessSeconds": 93600
--   }
-- }

create materialized view "public"."daily_sales" as
select day, count(*) as orders, sum(amount) as amount
  from public.orders
 group by day
with no data;

create unique index "daily_sales_key" on "public"."daily_sales" ("day");

refresh materialized view "public"."daily_sales";
