-- viewkeeper: {
--   "why": "what each product brings",
--   "define": {
--     "schema": "public",
--     "name": "revenue",
--     "indexes": [
--       {"name":"revenue_key","unique":true,"on":"(\"product\")"}
--     ],
--     "maxStalenessSeconds": 93600
--   }
-- }

create materialized view "public"."revenue" as
select p.name as product, sum(d.pieces * p.price)::numeric(14, 2) as revenue
  from analytics.daily_pieces d
  join public.products p on p.id = d.product_id
 group by p.name
with no data;

create unique index "revenue_key" on "public"."revenue" ("product");

refresh materialized view "public"."revenue";
