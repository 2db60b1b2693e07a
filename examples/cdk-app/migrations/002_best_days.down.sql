-- viewkeeper: {
--   "why": "sales of each day and shop, and the best days",
--   "drop": {
--     "schema": "public",
--     "name": "best_days"
--   }
-- }

drop materialized view "public"."best_days";
