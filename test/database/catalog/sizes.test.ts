import { beforeEach, expect, test } from 'vitest'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { eachCase } from '../../support/deep.ts'
import { updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { dropKept, makeKept } from '../../support/slices/kept-table.ts'
import { whileLocked } from '../../support/waiting/holder.ts'

const { database, sql, url } = useDatabase()

beforeEach(async () => {
  await sql.unsafe(`
    ${dropKept('kept')};
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
    const [size] = await sql`select pg_table_size('mv')::int as bytes`
    // A refresh that writes the difference counts from what the one before has counted.
    const countedRows = strategy === 'concurrent' ? null : 1000
    const shown = { sizeBytes: size?.bytes, estimatedRows: 1000, countedRows }
    expect(await getView(database, 'mv')).toMatchObject(shown)
    expect((await listViews(database)).views).toContainEqual(expect.objectContaining(shown))
  },
)

test('of an incremental table the rows are those that its run has written, and the size includes TOAST', async () => {
  await sql.unsafe(`
    create table texts as select i as id, (select string_agg(gen_random_uuid()::text, '') from generate_series(i, i + 999)) as long from generate_series(1, 9) i;
    ${makeKept('kept', 'select * from texts')}; insert into kept table kept_query; analyze kept`)
  const shown = async () => {
    const { views } = await listViews(database)
    return views.find(({ name }) => name === 'kept')
  }
  const [size] = await sql`select pg_table_size('kept')::int as bytes, pg_relation_size('kept')::int as heap`
  expect(size?.bytes).toBeGreaterThan(size?.heap * 10)
  expect(await shown()).toMatchObject({ sizeBytes: size?.bytes, estimatedRows: 9, countedRows: null })
  await refresh({ view: 'kept' }, callOn(database))
  await updateRows(sql, 'runs', { view: 'kept' }, { rowCountAfter: 9 })
  await sql`delete from texts`
  await refresh({ view: 'kept' }, callOn(database))
  expect(await shown()).toMatchObject({ estimatedRows: 9, countedRows: 0 })
})

test('the size of a locked view is not waited for, and the others have theirs', async () => {
  const [size] = await sql`select pg_table_size('beside')::int as bytes`
  await whileLocked(url, 'refresh materialized view mv', async () => {
    const sizes = (await listViews(database)).views.map(({ name, sizeBytes }) => [name, sizeBytes])
    expect(sizes).toEqual([
      ['beside', size?.bytes],
      ['mv', null],
    ])
  })
})
