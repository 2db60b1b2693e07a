import { defineView } from 'viewkeeper'
import query from './daily_sales.sql'

export default defineView({
  name: 'daily_sales',
  query,
  uniqueKey: ['day'],
  schedule: '0 6 * * *',
  timeZone: 'UTC',
  maxStalenessSeconds: 26 * 60 * 60,
})
