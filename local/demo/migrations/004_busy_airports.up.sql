create view public.busy_airports as
  select code, name, state, departures, mean_delay from public.airport_traffic where departures >= 1000;

comment on view public.busy_airports is 'Airports with at least 1,000 departures.';
