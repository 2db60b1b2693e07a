import { defineView } from 'viewkeeper'
import query from './late_airports.sql'

export default defineView({
  name: 'late_airports',
  query,
  comment: 'Busy airports that are later than the others.',
})
