import { defineView } from 'viewkeeper'
import query from './route_delays.sql'

export default defineView({
  name: 'route_delays',
  query,
  uniqueKey: ['origin', 'destination'],
  rowCountStrategy: 'exact',
  comment: 'How late the flights of each route are.',
})
