-- viewkeeper: {
--   "why": "what has to hold before readers see it",
--   "define": {
--     "schema": "public",
--     "name": "daily_delays",
--     "indexes": [
--       {"name":"daily_delays_key","unique":true,"on":"(\"day\")"}
--     ],
--     "comment": "Flights and delays of each day.",
--     "checks": {
--       "no future": "select day from daily_delays where day > current_date"
--     }
--   }
-- }

create materialized view "public"."daily_delays" as
select date::date as day, count(*) as flights, round(avg(delay), 1) as mean_delay, max(delay) as longest_delay
  from public.flights
 group by date::date
with no data;

create unique index "daily_delays_key" on "public"."daily_delays" ("day");

comment on materialized view "public"."daily_delays" is 'Flights and delays of each day.';

refresh materialized view "public"."daily_delays";
