select p.name as product, sum(d.pieces * p.price)::numeric(14, 2) as revenue
  from analytics.daily_pieces d
  join public.products p on p.id = d.product_id
 group by p.name
