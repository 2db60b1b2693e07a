import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { handler as createView } from '../../../functions/create.ts'
import { handler as dropView } from '../../../functions/drop.ts'
import { handler as query } from '../../../functions/query.ts'
import { handler as refreshView } from '../../../functions/refresh.ts'
import { startBatch } from '../../../src/operations/batches/start.ts'
import { checkViews } from '../../../src/operations/migrations/check.ts'
import { migrateDown, migrateUp } from '../../../src/operations/migrations/migrate.ts'
import { verifyFrozen } from '../../../src/operations/migrations/verify.ts'
import { describeViews } from '../../../src/operations/views/describe.ts'
import { useDatabase } from '../../support/database.ts'
import { definition, migrateCall, useFolders } from '../../support/frozen.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/lambda.ts'

const context = lambdaContext()
const E = process.env.ENC ?? 'LATIN1'
const { url, sql, database } = useDatabase({ encoding: E })
const own = E === 'EUC_JP' ? '\u65e5\u672c' : '\u00e9t\u00e9'
const bad = E === 'EUC_JP' ? '\u{1f600}' : '\u65e5'
const folder = useFolders()
beforeAll(async () => {
  process.env.DATABASE_URL = url
  await sql.unsafe(`create table t(id int, "${own}" text); insert into t values (1,'${own}');
   create materialized view "${own}" as select id, "${own}", '${own}'::text as x from t;
   create unique index "${own}_i" on "${own}" ("${own}");
   comment on materialized view "${own}" is '${own}';
   create view above as select * from "${own}"`)
})
test('x', async () => {
  const call = async (h: any, r: string, o: any) => {
    try {
      const a = parsed(await h(httpEvent(r, { headers: { prefer: 'wait=20', ...o.headers }, ...o }), context))
      console.log(r, JSON.stringify(o), a.statusCode, JSON.stringify(a.body).slice(0, 300))
    } catch (e) {
      console.log(r, JSON.stringify(o), 'THROWN', e)
    }
  }
  for (const strategy of ['auto', 'swap', 'regular', 'concurrent'])
    await call(refreshView, 'POST /views/{view}/refresh', { path: { view: `"${own}"` }, body: { strategy } })
  for (const view of [bad, `"${bad}"`, `public."${bad}"`, `x.${bad}`]) {
    await call(refreshView, 'POST /views/{view}/refresh', { path: { view }, body: {} })
    await call(query, 'GET /views/{view}', { path: { view } })
    await call(query, 'GET /runs', { query: { view } })
    await call(query, 'GET /metrics', { query: { view } })
    await call(createView, 'POST /views/{view}/create', { path: { view }, body: {} })
    await call(dropView, 'POST /views/{view}/drop', { path: { view }, body: {} })
  }
  await call(refreshView, 'POST /views/{view}/refresh', {
    path: { view: 'x' },
    headers: { 'idempotency-key': bad },
    body: {},
  })
  await call(refreshView, 'POST /views/{view}/refresh', {
    path: { view: `"${own}"` },
    headers: { 'idempotency-key': bad },
    body: {},
  })
  await call(refreshView, 'POST /views/{view}/refresh', { path: { view: `"${own}"` }, caller: bad, body: {} })
  for (const r of ['GET /views', 'GET /runs', 'GET /batches', 'GET /metrics']) await call(query, r, {})
  for (const b of [{ pattern: bad }, { views: [bad] }, { all: true }, { pattern: `*.${own}` }]) {
    try {
      console.log(
        JSON.stringify(b),
        await startBatch(b as any, {
          database,
          trigger: 'http',
          requestedBy: 'x',
          caller: 'x',
          idempotencyKey: null,
        }),
      )
    } catch (e) {
      console.log(JSON.stringify(b), String(e))
    }
  }
  const f = await folder('a')
  const d = [
    definition('good', `select id, '${own}'::text as "${own}" from t`, {
      comment: own,
      indexes: [{ name: `g${own}`, unique: true, on: `("${own}")` }],
    }),
  ]
  await f.freeze(d, { why: `because ${bad}` })
  const all = await f.read()
  console.log('verify', await verifyFrozen(database, [], all).catch((e) => String(e)))
  console.log('up', await migrateUp(migrateCall(database), all).catch((e) => String(e)))
  console.log(
    'check',
    JSON.stringify(
      await checkViews(database, d.map((x) => ({ ...x, schema: 'public' })) as any).catch((e) => String(e)),
    ),
  )
  const g = await folder('b')
  await g.freeze([definition('worse', `select id, '${bad}'::text as c from t`)])
  console.log(
    'verify bad',
    await verifyFrozen(
      database,
      all,
      (await g.read()).map((m) => ({ ...m, number: 2 })),
    ).catch((e) => String(e)),
  )
  console.log(
    'describe',
    JSON.stringify(await describeViews(database, null as any).catch((e) => String(e))).slice(0, 300),
  )
  console.log('down', await migrateDown(migrateCall(database), all, 1).catch((e) => String(e)))
})
