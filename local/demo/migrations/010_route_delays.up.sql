-- viewkeeper: {
--   "why": "what has to hold before readers see it",
--   "define": {
--     "schema": "public",
--     "name": "route_delays",
--     "indexes": [
--       {"name":"route_delays_key","unique":true,"on":"(\"origin\", \"destination\")"}
--     ],
--     "comment": "How late the flights of each route are.",
--     "checks": {
--       "references": {"origin":"public.airports (iata)"}
--     }
--   }
-- }

create materialized view "public"."route_delays" as
select origin, destination, count(*) as flights, round(avg(delay), 1) as mean_delay,
       percentile_disc(0.9) within group (order by delay) as delay_p90,
       round(100.0 * count(*) filter (where delay > 15) / count(*), 1) as late_percent
  from public.flights
 group by origin, destination
with no data;

create unique index "route_delays_key" on "public"."route_delays" ("origin", "destination");

comment on materialized view "public"."route_delays" is 'How late the flights of each route are.';

refresh materialized view "public"."route_delays";
