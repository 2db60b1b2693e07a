-- viewkeeper: {
--   "why": "what the flights of each airport, route and day come to",
--   "drop": {
--     "schema": "public",
--     "name": "airport_traffic"
--   }
-- }

drop materialized view "public"."airport_traffic";
