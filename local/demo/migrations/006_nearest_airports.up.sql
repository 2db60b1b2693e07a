-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "define": {
--     "schema": "public",
--     "name": "nearest_airports",
--     "indexes": [
--       {"name":"nearest_airports_key","unique":true,"on":"(\"zip_code\")"}
--     ],
--     "comment": "For every zip code, the nearest airport with flights in its state."
--   }
-- }

create materialized view "public"."nearest_airports" as
select distinct on (z.zip_code) z.zip_code, z.city, z.state, t.code,
       round((69 * sqrt((z.latitude - t.latitude) ^ 2
                        + ((z.longitude - t.longitude) * cos(radians(z.latitude))) ^ 2))::numeric) as miles
  from public.zipcodes z
  join public.airport_traffic t on t.state = z.state
 order by z.zip_code, miles, t.code
with no data;

create unique index "nearest_airports_key" on "public"."nearest_airports" ("zip_code");

comment on materialized view "public"."nearest_airports" is 'For every zip code, the nearest airport with flights in its state.';

refresh materialized view "public"."nearest_airports";
