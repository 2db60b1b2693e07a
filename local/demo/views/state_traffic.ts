import { defineView } from 'viewkeeper'
import query from './state_traffic.sql'

export default defineView({
  name: 'state_traffic',
  query,
  uniqueKey: ['state'],
  comment: 'Traffic of each state, and how far its zip codes are from an airport.',
})
