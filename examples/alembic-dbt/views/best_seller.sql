select product, revenue
  from public.revenue
 order by revenue desc
 limit 1
