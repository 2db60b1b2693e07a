import { defineView } from 'viewkeeper'
import query from './shop_sales.sql'

export default defineView({
  name: 'shop_sales',
  query,
  uniqueKey: ['shop'],
  // Every hour, besides the batch of each night.
  schedule: '5 * * * *',
  timeZone: 'UTC',
})
