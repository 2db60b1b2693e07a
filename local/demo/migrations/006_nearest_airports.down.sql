-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "drop": {
--     "schema": "public",
--     "name": "nearest_airports"
--   }
-- }

drop materialized view "public"."nearest_airports";
