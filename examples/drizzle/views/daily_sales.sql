select day, count(*)::integer as orders, sum(amount)::numeric(14, 2) as amount
  from public.orders
 group by day
