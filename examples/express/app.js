import express from 'express'
import postgres from 'postgres'
import { createKeeper, Problem } from 'viewkeeper/engine'

const databaseUrl = process.env.DATABASE_URL
const sql = postgres(databaseUrl, { onnotice() {} })
const keeper = await createKeeper({
  databaseUrl,
  logger: console,
  requestedBy: 'shop',
  config: { schedules: {} },
  // The user of `npx viewkeeper dev` is a superuser; the one of your database should not be.
  allowSuperuser: process.env.NODE_ENV !== 'production',
})

// Schedules, target lags and the monitor: of all copies of this program, one does the work.
keeper.start()

const app = express()
app.use(express.json())

/** Imports orders, then refreshes what reads them. */
app.post('/orders', async (request, response) => {
  await sql`insert into orders (day, amount) select day, amount from jsonb_to_recordset(${sql.json(request.body)}) as o(day date, amount integer)`
  const { runId, response: done } = await keeper.refreshView({ view: 'daily_sales' }, { waitSeconds: 60 })
  response.status(201).json({ runId, strategy: done.strategy })
})

app.get('/sales', async (_, response) => {
  response.json(await sql`select day::text, amount::integer from daily_sales order by day`)
})

app.use((error, _request, response, _next) => {
  if (!(error instanceof Problem)) throw error
  response.status(503).json({ code: error.code, message: error.message })
})

const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () => console.log('ready'))

process.once('SIGTERM', async () => {
  server.close()
  await keeper.stop()
  await sql.end()
})
