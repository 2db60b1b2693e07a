-- Level 1: views of tables.

create materialized view airport_traffic as
  select a.iata as code, a.name, a.city, a.state, a.latitude, a.longitude,
         d.departures, d.mean_delay, coalesce(v.arrivals, 0) as arrivals
    from airports a
    join (select origin, count(*) as departures, round(avg(delay), 1) as mean_delay from flights group by origin) d
      on d.origin = a.iata
    left join (select destination, count(*) as arrivals from flights group by destination) v
      on v.destination = a.iata
  with no data;
create unique index airport_traffic_code_idx on airport_traffic (code);
comment on materialized view airport_traffic is 'Departures, arrivals and mean delay of every airport that has flights.';

create materialized view route_delays as
  select origin, destination, count(*) as flights, round(avg(delay), 1) as mean_delay,
         percentile_disc(0.9) within group (order by delay) as delay_p90,
         round(100.0 * count(*) filter (where delay > 15) / count(*), 1) as late_percent
    from flights
   group by origin, destination
  with no data;
create unique index route_delays_route_idx on route_delays (origin, destination);
comment on materialized view route_delays is 'How late the flights of each route are.';

create materialized view daily_delays as
  select date::date as day, count(*) as flights, round(avg(delay), 1) as mean_delay, max(delay) as longest_delay
    from flights
   group by date::date
  with no data;
create unique index daily_delays_day_idx on daily_delays (day);
comment on materialized view daily_delays is 'Flights and delays of each day.';

-- Level 2: views of views. late_airports sees airport_traffic through a plain view, and has no unique index.

create materialized view worst_routes as
  select origin, destination, flights, mean_delay, delay_p90
    from route_delays
   where flights >= 30
   order by mean_delay desc, origin, destination
   limit 50
  with no data;
create unique index worst_routes_route_idx on worst_routes (origin, destination);
comment on materialized view worst_routes is 'The 50 routes with the longest mean delay, among those flown often.';

create view busy_airports as
  select code, name, state, departures, mean_delay from airport_traffic where departures >= 1000;
comment on view busy_airports is 'Airports with at least 1,000 departures.';

create materialized view late_airports as
  select rank() over (order by mean_delay desc) as place, code, name, mean_delay
    from busy_airports
   where mean_delay > (select avg(mean_delay) from busy_airports)
  with no data;
comment on materialized view late_airports is 'Busy airports that are later than the others.';

create materialized view nearest_airports as
  select distinct on (z.zip_code) z.zip_code, z.city, z.state, t.code,
         round((69 * sqrt((z.latitude - t.latitude) ^ 2
                          + ((z.longitude - t.longitude) * cos(radians(z.latitude))) ^ 2))::numeric) as miles
    from zipcodes z
    join airport_traffic t on t.state = z.state
   order by z.zip_code, miles, t.code
  with no data;
create unique index nearest_airports_zip_code_idx on nearest_airports (zip_code);
comment on materialized view nearest_airports is 'For every zip code, the nearest airport with flights in its state.';

-- Level 3.

create materialized view state_traffic as
  select t.state, t.airports, t.departures, t.arrivals, n.zip_codes, n.mean_miles
    from (select state, count(*) as airports, sum(departures) as departures, sum(arrivals) as arrivals
            from airport_traffic group by state) t
    left join (select state, count(*) as zip_codes, round(avg(miles)) as mean_miles
                 from nearest_airports group by state) n using (state)
  with no data;
create unique index state_traffic_state_idx on state_traffic (state);
comment on materialized view state_traffic is 'Traffic of each state, and how far its zip codes are from an airport.';
