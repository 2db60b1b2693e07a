drop view public.busy_airports;
