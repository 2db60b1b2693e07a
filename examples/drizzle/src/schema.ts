import { date, integer, numeric, pgMaterializedView, pgTable, text } from 'drizzle-orm/pg-core'

/** Drizzle makes and changes this table. */
export const orders = pgTable('orders', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  day: date().notNull(),
  shop: text().notNull(),
  amount: integer().notNull(),
})

/** Viewkeeper makes and refreshes this view; `existing` tells Drizzle to leave it alone. */
export const dailySales = pgMaterializedView('daily_sales', {
  day: date().notNull(),
  orders: integer().notNull(),
  amount: numeric({ mode: 'number' }).notNull(),
}).existing()
