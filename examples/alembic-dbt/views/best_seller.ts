import { defineView } from 'viewkeeper'
import query from './best_seller.sql'

// It reads public.revenue, so each batch refreshes it after that.
export default defineView({ name: 'best_seller', query, uniqueKey: ['product'] })
