select shop, sum(amount) as amount
  from public.orders
 group by shop
