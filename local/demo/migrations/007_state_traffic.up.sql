-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "define": {
--     "schema": "public",
--     "name": "state_traffic",
--     "indexes": [
--       {"name":"state_traffic_key","unique":true,"on":"(\"state\")"}
--     ],
--     "comment": "Traffic of each state, and how far its zip codes are from an airport."
--   }
-- }

create materialized view "public"."state_traffic" as
select t.state, t.airports, t.departures, t.arrivals, n.zip_codes, n.mean_miles
  from (select state, count(*) as airports, sum(departures) as departures, sum(arrivals) as arrivals
          from public.airport_traffic group by state) t
  left join (select state, count(*) as zip_codes, round(avg(miles)) as mean_miles
               from public.nearest_airports group by state) n using (state)
with no data;

create unique index "state_traffic_key" on "public"."state_traffic" ("state");

comment on materialized view "public"."state_traffic" is 'Traffic of each state, and how far its zip codes are from an airport.';

refresh materialized view "public"."state_traffic";
