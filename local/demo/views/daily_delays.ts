import { defineView } from 'viewkeeper'
import query from './daily_delays.sql'

export default defineView({
  name: 'daily_delays',
  query,
  uniqueKey: ['day'],
  checks: { 'no future': 'select day from daily_delays where day > current_date' },
  comment: 'Flights and delays of each day.',
})
