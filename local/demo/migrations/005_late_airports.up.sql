-- viewkeeper: {
--   "why": "the worst, the latest and the nearest, from the views before",
--   "define": {
--     "schema": "public",
--     "name": "late_airports",
--     "comment": "Busy airports that are later than the others."
--   }
-- }

create materialized view "public"."late_airports" as
select rank() over (order by mean_delay desc) as place, code, name, mean_delay
  from public.busy_airports
 where mean_delay > (select avg(mean_delay) from public.busy_airports)
with no data;

comment on materialized view "public"."late_airports" is 'Busy airports that are later than the others.';

refresh materialized view "public"."late_airports";
