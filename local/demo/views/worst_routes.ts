import { defineView } from 'viewkeeper'
import query from './worst_routes.sql'

export default defineView({
  name: 'worst_routes',
  query,
  uniqueKey: ['origin', 'destination'],
  comment: 'The 50 routes with the longest mean delay, among those flown often.',
})
