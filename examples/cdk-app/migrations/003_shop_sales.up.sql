-- viewkeeper: {
--   "why": "sales of each day and shop, and the best days",
--   "define": {
--     "schema": "public",
--     "name": "shop_sales",
--     "indexes": [
--       {"name":"shop_sales_key","unique":true,"on":"(\"shop\")"}
--     ],
--     "schedule": "5 * * * *",
--     "timeZone": "UTC"
--   }
-- }

create materialized view "public"."shop_sales" as
select shop, sum(amount) as amount
  from public.orders
 group by shop
with no data;

create unique index "shop_sales_key" on "public"."shop_sales" ("shop");

refresh materialized view "public"."shop_sales";
