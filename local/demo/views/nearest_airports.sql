select distinct on (z.zip_code) z.zip_code, z.city, z.state, t.code,
       round((69 * sqrt((z.latitude - t.latitude) ^ 2
                        + ((z.longitude - t.longitude) * cos(radians(z.latitude))) ^ 2))::numeric) as miles
  from public.zipcodes z
  join public.airport_traffic t on t.state = z.state
 order by z.zip_code, miles, t.code
