-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "drop": {
--     "schema": "public",
--     "name": "state_traffic"
--   }
-- }

drop materialized view "public"."state_traffic";
