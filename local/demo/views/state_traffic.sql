select t.state, t.airports, t.departures, t.arrivals, n.zip_codes, n.mean_miles
  from (select state, count(*) as airports, sum(departures) as departures, sum(arrivals) as arrivals
          from public.airport_traffic group by state) t
  left join (select state, count(*) as zip_codes, round(avg(miles)) as mean_miles
               from public.nearest_airports group by state) n using (state)
