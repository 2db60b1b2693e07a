import { defineView } from 'viewkeeper'
import query from './worst_routes.sql'

export default defineView({
  name: 'worst_routes',
  query,
  uniqueKey: ['origin', 'destination'],
  schedule: '0 6 * * *',
  timeZone: 'Europe/Berlin',
  comment: 'The 50 routes with the longest mean delay, among those flown often.',
})
