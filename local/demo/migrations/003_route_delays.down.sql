-- viewkeeper: {
--   "why": "what the flights of each airport, route and day come to",
--   "drop": {
--     "schema": "public",
--     "name": "route_delays"
--   }
-- }

drop materialized view "public"."route_delays";
