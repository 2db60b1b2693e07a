import { beforeEach, expect, test } from 'vitest'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { whileLocked } from '../../support/waiting/holder.ts'

const { database, sql, url } = useDatabase()

beforeEach(async () => {
  await sql.unsafe(`
    drop materialized view if exists mv; drop materialized view if exists beside;
    create materialized view mv as select generate_series(1, 1000) as id;
    create materialized view beside as select 1 as id`)
})

eachCase<[Strategy, boolean]>(
  [
    ['regular', false],
    ['regular', true],
    ['concurrent', true],
    ['swap', false],
  ],
  { quick: 2 },
)(
  'a view has a size and a number of rows after a refresh: %s, with an index: %s',
  async (strategy, indexed) => {
    if (indexed) await sql`create unique index on mv (id)`
    await refresh({ view: 'mv', strategy }, callOn(database))
    const [size] = await sql`select pg_relation_size('mv')::int as bytes`
    const shown = { sizeBytes: size?.bytes, estimatedRows: 1000 }
    expect(await getView(database, 'mv')).toMatchObject(shown)
    expect((await listViews(database)).views).toContainEqual(expect.objectContaining(shown))
  },
)

test('the size of a locked view is not waited for, and the others have theirs', async () => {
  await whileLocked(url, 'refresh materialized view mv', async () => {
    const sizes = (await listViews(database)).views.map(({ name, sizeBytes }) => [name, sizeBytes])
    expect(sizes).toEqual([
      ['beside', 8192],
      ['mv', null],
    ])
  })
})
