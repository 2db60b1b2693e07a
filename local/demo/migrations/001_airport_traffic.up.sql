-- viewkeeper: {
--   "why": "what the flights of each airport, route and day come to",
--   "define": {
--     "schema": "public",
--     "name": "airport_traffic",
--     "indexes": [
--       {"name":"airport_traffic_key","unique":true,"on":"(\"code\")"}
--     ],
--     "comment": "Departures, arrivals and mean delay of every airport that has flights.",
--     "maxStalenessSeconds": 93600
--   }
-- }

create materialized view "public"."airport_traffic" as
select a.iata as code, a.name, a.city, a.state, a.latitude, a.longitude,
       d.departures, d.mean_delay, coalesce(v.arrivals, 0) as arrivals
  from public.airports a
  join (select origin, count(*) as departures, round(avg(delay), 1) as mean_delay from public.flights group by origin) d
    on d.origin = a.iata
  left join (select destination, count(*) as arrivals from public.flights group by destination) v
    on v.destination = a.iata
with no data;

create unique index "airport_traffic_key" on "public"."airport_traffic" ("code");

comment on materialized view "public"."airport_traffic" is 'Departures, arrivals and mean delay of every airport that has flights.';

refresh materialized view "public"."airport_traffic";
