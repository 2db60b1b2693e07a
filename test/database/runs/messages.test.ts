import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as createView } from '../../../functions/create.ts'
import { handler as query } from '../../../functions/query.ts'
import { handler as refreshView } from '../../../functions/refresh.ts'
import { useDatabase } from '../../support/database.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/lambda.ts'

const { url, sql } = useDatabase()
const context = lambdaContext()
beforeAll(async () => {
  process.env.DATABASE_URL = url
  await sql.unsafe(`create table keyed (id integer, "Day" text); insert into keyed values (1, 'secret');
    create materialized view v as select id, "Day", 1 as n from keyed;
    create unique index "By Day" on v (id, "Day");
    create unique index expr on v ((n + id));
    `)
})
const post = async (handler: any, route: string, view: string, body: object) =>
  parsed((await handler(httpEvent(route, { path: { view }, headers: { prefer: 'wait=20' }, body }), context)) as never)
test('x', async () => {
  for (const strategy of ['regular', 'swap', 'concurrent']) {
    await sql`truncate keyed`
    await sql`insert into keyed values (1, 'secret'), (1, 'secret')`
    console.log(strategy, (await post(refreshView, 'POST /views/{view}/refresh', 'v', { strategy })).body)
    await sql`drop index expr`.catch(() => {})
    await sql`truncate keyed`
    await sql`insert into keyed values (2, 'secret'), (2, 'secret')`
    console.log(strategy, (await post(refreshView, 'POST /views/{view}/refresh', 'v', { strategy })).body)
  }
  console.log((await sql`select error from viewkeeper.runs order by id`).map((r) => r.error))
})
