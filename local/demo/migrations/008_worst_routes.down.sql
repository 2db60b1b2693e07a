-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "drop": {
--     "schema": "public",
--     "name": "worst_routes"
--   }
-- }

drop materialized view "public"."worst_routes";
