import { describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/operations/batches/read.ts'
import { accountOf, advanceToEnd, begin } from '../../support/batches.ts'
import { useDatabase } from '../../support/database.ts'

const { database, sql } = useDatabase()

const twinSchemas = () => sql`select nspname from pg_namespace where nspname like 'viewkeeper\\_%'`

describe('a batch of views that read each other', () => {
  test('builds a diamond with a plain view between aside, and exchanges it at one moment', async () => {
    await sql.unsafe(
      `
      create schema diamond;
      create table diamond.t (v int); insert into diamond.t values (1);
      create materialized view diamond.base as select sum(v) as total from diamond.t;
      create view diamond.plain as select total * 2 as twice from diamond.base;
      create materialized view diamond.l as select total from diamond.base;
      create materialized view diamond.r as select twice from diamond.plain;
      create materialized view diamond.top as select total, twice from diamond.l, diamond.r;
      create unique index top_key on diamond.top (total);
      create view diamond.outside as select * from diamond.top, diamond.base;
      insert into diamond.t values (2)`.replaceAll(
        'diamond.outside as select *',
        'diamond.outside as select twice',
      ),
    )
    const batchId = await begin(database, { pattern: 'diamond.*' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success', error: null })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      base: ['success'],
      l: ['success'],
      r: ['success'],
      top: ['success'],
    })
    const ends = await sql`select distinct finished_at from viewkeeper.runs where batch_id = ${batchId}`
    expect(ends).toHaveLength(1)
    expect(await sql`select total::int, twice::int from diamond.top`).toEqual([{ total: 3, twice: 6 }])
    expect(await sql`select twice::int from diamond.outside`).toEqual([{ twice: 6 }])
    expect(await twinSchemas()).toEqual([])
    expect(await getBatch(database, batchId)).toMatchObject({
      exchange: 'together',
      refreshedEach: [],
      groups: [{ views: ['diamond.base', 'diamond.l', 'diamond.r', 'diamond.top'], givenUp: null }],
    })
  })
})
