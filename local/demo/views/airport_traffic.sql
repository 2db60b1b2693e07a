select a.iata as code, a.name, a.city, a.state, a.latitude, a.longitude,
       d.departures, d.mean_delay, coalesce(v.arrivals, 0) as arrivals
  from public.airports a
  join (select origin, count(*) as departures, round(avg(delay), 1) as mean_delay from public.flights group by origin) d
    on d.origin = a.iata
  left join (select destination, count(*) as arrivals from public.flights group by destination) v
    on v.destination = a.iata
