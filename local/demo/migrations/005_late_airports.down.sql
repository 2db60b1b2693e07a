-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "drop": {
--     "schema": "public",
--     "name": "late_airports"
--   }
-- }

drop materialized view "public"."late_airports";
