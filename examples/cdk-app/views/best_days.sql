select day, amount
  from public.daily_sales
 order by amount desc
 limit 10
