select rank() over (order by mean_delay desc) as place, code, name, mean_delay
  from public.busy_airports
 where mean_delay > (select avg(mean_delay) from public.busy_airports)
