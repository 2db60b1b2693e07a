-- viewkeeper: {
--   "why": "what each product brings",
--   "drop": {
--     "schema": "public",
--     "name": "revenue"
--   }
-- }

drop materialized view "public"."revenue";
