-- viewkeeper: {
--   "why": "what the flights of each airport, route and day come to",
--   "drop": {
--     "schema": "public",
--     "name": "daily_delays"
--   }
-- }

drop materialized view "public"."daily_delays";
