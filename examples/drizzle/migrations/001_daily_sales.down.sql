-- viewkeeper: {
--   "why": "what each day sold",
--   "drop": {
--     "schema": "public",
--     "name": "daily_sales"
--   }
-- }

drop materialized view "public"."daily_sales";
