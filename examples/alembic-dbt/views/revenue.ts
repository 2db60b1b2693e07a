import { defineView } from 'viewkeeper'
import query from './revenue.sql'

// No schedule: it is refreshed after each `dbt run`. If nobody does, the monitor says so after 26 hours.
export default defineView({
  name: 'revenue',
  query,
  uniqueKey: ['product'],
  maxStalenessSeconds: 26 * 60 * 60,
})
