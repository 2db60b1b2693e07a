import { describe, expect, test } from 'vitest'
import { refresh } from '../../../src/operations/runs/refresh.ts'
import { callOn, useDatabase } from '../../support/database.ts'

const { database, sql } = useDatabase()

const swap = (view: string) => refresh({ view, strategy: 'swap' }, callOn(database))

describe('a view that others read', () => {
  test('is rebuilt together with them, and each has its run', async () => {
    await sql`create schema simple`
    await sql.unsafe(`
      create table simple.t (id int, v int); insert into simple.t values (1, 1), (2, 2);
      create materialized view simple.below as select id, v from simple.t;
      create unique index below_key on simple.below (id);
      create view simple.between with (security_barrier) as select id, v * 2 as w from simple.below where v > 0;
      create materialized view simple.above as select sum(w) as total from simple.between join simple.below using (id);
      create view simple.outside as select total from simple.above, simple.below;
      insert into simple.t values (3, 3)`)
    const result = await swap('simple.below')
    expect(result.error).toBeUndefined()
    expect(result).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap', group: [{ view: 'simple.above' }] },
    })
    expect(await sql`select total::int from simple.outside limit 1`).toEqual([{ total: 12 }])
    const runs =
      await sql`select view_name, status, group_run_id is null as leads, duration_ms is not null as timed from viewkeeper.runs where schema_name = 'simple' order by id`
    expect(runs).toEqual([
      { view_name: 'below', status: 'success', leads: true, timed: true },
      { view_name: 'above', status: 'success', leads: false, timed: true },
    ])
    expect(await sql`select nspname from pg_namespace where nspname like 'viewkeeper\\_%'`).toEqual([])
  })
})
