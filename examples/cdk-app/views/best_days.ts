import { defineView } from 'viewkeeper'
import query from './best_days.sql'

// It reads daily_sales, so each batch refreshes it after that.
export default defineView({ name: 'best_days', query, uniqueKey: ['day'] })
