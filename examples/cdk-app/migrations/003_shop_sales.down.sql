-- viewkeeper: {
--   "why": "sales of each day and shop, and the best days",
--   "drop": {
--     "schema": "public",
--     "name": "shop_sales"
--   }
-- }

drop materialized view "public"."shop_sales";
