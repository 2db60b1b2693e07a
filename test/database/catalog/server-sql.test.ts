import { describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { getView } from '../../../src/watch/read-views.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter } from '../../support/views/alter.ts'

/** A query over the edges of a graph in a circle, with these marks of the rows that close it. */
const inCircles = (marks: string) => `
  with recursive way as (
    select a, b from edges where a = 1 union all select e.a, e.b from way w join edges e on e.a = w.b)
  cycle a set closes to ${marks} using path select a, closes from way`

describe('a CYCLE clause with marks, which the server writes in a form that it cannot read', () => {
  const { database, sql } = useDatabase()
  const swap = (view: string) => refresh({ view, strategy: 'swap' }, callOn(database))

  test('is carried by a swap, with the view that reads it, in a group, and around a change', async () => {
    await sql.unsafe(`
      create table edges (a int, b int); insert into edges values (1, 2), (2, 1);
      create type "Odd Mood" as enum ('Y', 'N');
      create materialized view alone as ${inCircles(`'Y' default 'N'`)};
      create view above_alone as select 'x' as x from alone union all select closes from (${inCircles(`varchar(5) 'Y' default 'N'`)}) c;
      create materialized view base as ${inCircles(`"Odd Mood" 'Y' default 'N'`)};
      create view between as select b.a, c.closes from base b join (${inCircles(`interval '1 day' default interval '2' hour`)}) c using (a);
      create materialized view top as select * from between;
      insert into edges values (2, 3)`)
    const views = ['alone', 'above_alone', 'base', 'between', 'top']
    const queries = () =>
      sql`select name, pg_get_viewdef(name::regclass) as query from unnest(${views}::text[]) as x(name)`
    const before = await queries()
    expect(await swap('alone')).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap', rowCountAfter: 4 },
    })
    expect(await swap('base')).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap', rowCountAfter: 4 },
    })
    await callAlter(database, 'alter table edges alter b type bigint; alter table edges alter b type int')
    expect(await queries()).toEqual(before)
  })

  test('is shown to people so that the server reads it', async () => {
    const shown = await getView(database, 'alone')
    await sql.unsafe(`create materialized view copied as ${shown.sql}`)
    expect(await sql`select * from copied order by 1, 2`).toEqual(
      await sql`select * from alone order by 1, 2`,
    )
  })

  test('of an array type is refused by name, and auto goes another way and says why', async () => {
    await sql.unsafe(`create materialized view arrays as ${inCircles(`_text '{Y}' default '{N}'`)}`)
    const why =
      'its query has a CYCLE clause with marks of an array type, which the server writes in a form that it cannot read'
    expect(await swap('arrays')).toMatchObject({
      status: 'error',
      error: { class: 'SwapImpossible', message: expect.stringContaining(why) },
    })
    expect(await refresh({ view: 'arrays' }, callOn(database))).toMatchObject({
      status: 'updated',
      response: { strategy: 'regular', because: expect.stringContaining(why) },
    })
  })
})
