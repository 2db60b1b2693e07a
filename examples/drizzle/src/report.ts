import { desc } from 'drizzle-orm'
import { client, db } from './database.ts'
import { dailySales } from './schema.ts'

// The days are typed: { day: string; orders: number; amount: number }[]
const days = await db.select().from(dailySales).orderBy(desc(dailySales.amount))
for (const { day, orders, amount } of days) console.log(`${day}: ${orders} orders, ${amount.toFixed(2)}`)
await client.end()
