import { client, db } from './database.ts'
import { orders } from './schema.ts'

await db.insert(orders).values([
  { day: '2026-11-01', shop: 'Bonn', amount: 20 },
  { day: '2026-11-01', shop: 'Kiel', amount: 22 },
  { day: '2026-11-02', shop: 'Kiel', amount: 8 },
])
await client.end()
