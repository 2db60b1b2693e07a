import { defineView } from 'viewkeeper'
import query from './nearest_airports.sql'

export default defineView({
  name: 'nearest_airports',
  query,
  uniqueKey: ['zip_code'],
  comment: 'For every zip code, the nearest airport with flights in its state.',
})
