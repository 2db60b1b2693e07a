-- viewkeeper: {
--   "why": "sales of each day and shop, and the best days",
--   "define": {
--     "schema": "public",
--     "name": "best_days",
--     "indexes": [
--       {"name":"best_days_key","unique":true,"on":"(\"day\")"}
--     ]
--   }
-- }

create materialized view "public"."best_days" as
select day, amount
  from public.daily_sales
 order by amount desc
 limit 10
with no data;

create unique index "best_days_key" on "public"."best_days" ("day");

refresh materialized view "public"."best_days";
