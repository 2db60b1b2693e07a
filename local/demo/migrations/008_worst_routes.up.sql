-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "define": {
--     "schema": "public",
--     "name": "worst_routes",
--     "indexes": [
--       {"name":"worst_routes_key","unique":true,"on":"(\"origin\", \"destination\")"}
--     ],
--     "comment": "The 50 routes with the longest mean delay, among those flown often.",
--     "schedule": "0 6 * * *",
--     "timeZone": "Europe/Berlin"
--   }
-- }

create materialized view "public"."worst_routes" as
select origin, destination, flights, mean_delay, delay_p90
  from public.route_delays
 where flights >= 30
 order by mean_delay desc, origin, destination
 limit 50
with no data;

create unique index "worst_routes_key" on "public"."worst_routes" ("origin", "destination");

comment on materialized view "public"."worst_routes" is 'The 50 routes with the longest mean delay, among those flown often.';

refresh materialized view "public"."worst_routes";
