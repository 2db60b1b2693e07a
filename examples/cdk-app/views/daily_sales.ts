import { defineView } from 'viewkeeper'
import query from './daily_sales.sql'

export default defineView({
  name: 'daily_sales',
  query,
  uniqueKey: ['day'],
  maxStalenessSeconds: 26 * 60 * 60,
})
