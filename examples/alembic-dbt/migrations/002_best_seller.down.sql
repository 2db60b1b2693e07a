-- viewkeeper: {
--   "why": "what each product brings",
--   "drop": {
--     "schema": "public",
--     "name": "best_seller"
--   }
-- }

drop materialized view "public"."best_seller";
