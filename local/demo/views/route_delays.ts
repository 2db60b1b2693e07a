import { defineView } from 'viewkeeper'
import query from './route_delays.sql'

export default defineView({
  name: 'route_delays',
  query,
  uniqueKey: ['origin', 'destination'],
  // To see it hold data back: update public.flights set origin = 'XXX' where id = 1
  checks: { references: { origin: 'public.airports (iata)' } },
  comment: 'How late the flights of each route are.',
})
