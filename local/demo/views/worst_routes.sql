select origin, destination, flights, mean_delay, delay_p90
  from public.route_delays
 where flights >= 30
 order by mean_delay desc, origin, destination
 limit 50
