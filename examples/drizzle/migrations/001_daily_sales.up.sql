-- viewkeeper: {
--   "why": "what each day sold",
--   "define": {
--     "schema": "public",
--     "name": "daily_sales",
--     "indexes": [
--       {"name":"daily_sales_key","unique":true,"on":"(\"day\")"}
--     ],
--     "schedule": "0 6 * * *",
--     "timeZone": "UTC",
--     "maxStalenessSeconds": 93600
--   }
-- }

create materialized view "public"."daily_sales" as
select day, count(*)::integer as orders, sum(amount)::numeric(14, 2) as amount
  from public.orders
 group by day
with no data;

create unique index "daily_sales_key" on "public"."daily_sales" ("day");

refresh materialized view "public"."daily_sales";
