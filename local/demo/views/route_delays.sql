select origin, destination, count(*) as flights, round(avg(delay), 1) as mean_delay,
       percentile_disc(0.9) within group (order by delay) as delay_p90,
       round(100.0 * count(*) filter (where delay > 15) / count(*), 1) as late_percent
  from public.flights
 group by origin, destination
