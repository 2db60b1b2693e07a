select date::date as day, count(*) as flights, round(avg(delay), 1) as mean_delay, max(delay) as longest_delay
  from public.flights
 group by date::date
