import { defineView } from 'viewkeeper'
import query from './airport_traffic.sql'

export default defineView({
  name: 'airport_traffic',
  query,
  uniqueKey: ['code'],
  maxStalenessSeconds: 26 * 60 * 60,
  comment: 'Departures, arrivals and mean delay of every airport that has flights.',
})
