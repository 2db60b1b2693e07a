-- viewkeeper: {
--   "why": "what each product brings",
--   "define": {
--     "schema": "public",
--     "name": "best_seller",
--     "indexes": [
--       {"name":"best_seller_key","unique":true,"on":"(\"product\")"}
--     ]
--   }
-- }

create materialized view "public"."best_seller" as
select product, revenue
  from public.revenue
 order by revenue desc
 limit 1
with no data;

create unique index "best_seller_key" on "public"."best_seller" ("product");

refresh materialized view "public"."best_seller";
