import { defineView } from 'viewkeeper'
import query from './daily_delays.sql'

export default defineView({
  name: 'daily_delays',
  query,
  uniqueKey: ['day'],
  rowCountStrategy: 'exact',
  comment: 'Flights and delays of each day.',
})
