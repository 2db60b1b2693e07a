import { readGroup, readGroupRights } from '../../../src/db/views/group.ts'
import { type Group, placesOf } from '../../../src/plan/groups/group.ts'
import { proveTwins } from '../../../src/plan/groups/proof.ts'
import { buildTwins, makePlaces } from '../../../src/plan/groups/twins.ts'
import { executeStatements } from '../../../src/db/runs/statements.ts'
import { test } from 'vitest'
import { formGroups } from '../../../src/operations/batches/form-groups.ts'
import { readBatch } from '../../../src/db/batches/batches.ts'
import { readBatchViews } from '../../../src/db/batches/batch-views.ts'
import { begin } from '../../support/batches.ts'
import { useDatabase } from '../../support/database.ts'
const { database, sql } = useDatabase()
test('x', async () => {
  for (const n of [40]) {
    await sql.unsafe(`create schema s${n}; create materialized view s${n}.v0 as select 1 as x;
      ${Array.from({ length: n - 1 }, (_, i) => `create materialized view s${n}.v${i + 1} as select x from s${n}.v${Math.floor(i / 3)}; create unique index on s${n}.v${i + 1} (x);`).join('\n')}`)
    const id = await begin(database, { pattern: `s${n}.*` })
    await database.withConnection(async (sql) => {
      const b = await readBatch(sql, id)
      const v = await readBatchViews(sql, id)
      const g = (await readGroup(sql, (await sql`select c.oid::int8 as oid from pg_class c where relnamespace = ${'s'+n}::regnamespace and relkind='m'`).map(r => r.oid))) as never as Group
      const lap = (what: string, since: number) => console.log(what, Date.now() - since)
      let z = Date.now(); await readGroupRights(sql, g); lap('rights', z)
      const places = placesOf('zz', g)
      await sql.begin(async (tx) => {
      for (const [w, st] of Object.entries({ places: makePlaces(g, places), twins: buildTwins(g, places), proof: proveTwins(g, places) })) {
        z = Date.now(); await executeStatements(tx as never, st, false); lap(w + ' ' + st.length, z) }
      throw new Error('undo') }).catch(() => {})
      const t = Date.now()
      await formGroups(sql, b as never, v)
      console.log(n, Date.now() - t)
    })
  }
}, 120000)
