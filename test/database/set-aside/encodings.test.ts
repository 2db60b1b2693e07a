import { describe, expect, test } from 'vitest'
import { useDatabase } from '../../support/servers/database.ts'
import { callAlter } from '../../support/views/alter.ts'

describe.each([
  ['LATIN1', 'Größe'],
  ['EUC_JP', '注文'],
])('in a %s database', (encoding, word) => {
  const { sql, database } = useDatabase({ encoding })

  test('a column is altered under views with names and texts of the country', async () => {
    await sql.unsafe(`
      create table "${word}" (id integer, "${word}" integer); insert into "${word}" values (1, 2);
      create view "a ${word}" as select id, "${word}", '${word}' as said from "${word}";
      comment on view "a ${word}" is '${word}';
      create materialized view "b ${word}" as select "${word}" as n, said from "a ${word}"`)
    const items = await callAlter(database, `alter table "${word}" alter column "${word}" type bigint`)
    expect(items).toHaveLength(2)
    expect(await sql.unsafe(`select n::int, said from "b ${word}"`)).toEqual([{ n: 2, said: word }])
    expect(await sql.unsafe(`select obj_description('"a ${word}"'::regclass) as comment`)).toEqual([
      { comment: word },
    ])
  })
})
