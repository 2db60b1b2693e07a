-- viewkeeper: {
--   "why": "sales of each day and shop, and the best days",
--   "drop": {
--     "schema": "public",
--     "name": "daily_sales"
--   }
-- }

drop materialized view "public"."daily_sales";
