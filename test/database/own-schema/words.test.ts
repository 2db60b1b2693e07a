import { expect, test } from 'vitest'
import { policyNames } from '../../../src/api/route.ts'
import { definitionDefaults, storages, strategies } from '../../../src/catalog/plan/definition.ts'
import { actionNames } from '../../../src/record/plan/action-words.ts'
import { eventTypes } from '../../../src/words/event.ts'
import { batchStatuses, exchanges, operations, runStatuses, triggers } from '../../../src/words/run.ts'
import { insertRow } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { inFields } from '../../support/views/frozen.ts'

const { sql } = useDatabase()

test('every list of words that a table accepts is the list of the code', async () => {
  const checks = await sql<{ column: string; words: string[] }[]>`
    select format('%s.%s', c.relname, a.attname) as column,
           to_jsonb(array(select m[1] from regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''::text', 'g') m)) as words
      from pg_constraint k
      join pg_class c on c.oid = k.conrelid
      join pg_attribute a on a.attrelid = c.oid and k.conkey = array[a.attnum]
     where k.contype = 'c' and k.connamespace = 'viewkeeper'::regnamespace
       and pg_get_constraintdef(k.oid) like '%ARRAY[%'`
  expect(Object.fromEntries(checks.map(({ column, words }) => [column, words]))).toEqual({
    'actions.action': actionNames,
    'batches.exchange': exchanges,
    'batches.status': batchStatuses,
    'batches.strategy': strategies,
    'batches.trigger': triggers,
    'definitions.refresh_strategy': strategies,
    'definitions.source': ['authored', 'discovered'],
    'definitions.storage': storages,
    'events.type': [...eventTypes, 'Message'],
    'runs.operation': operations,
    'runs.status': runStatuses,
    'runs.trigger': triggers,
    'set_aside.kind': ['view', 'function'],
    'tokens.may': policyNames,
  })
})

test('a definition that nobody has authored has the defaults of the code', async () => {
  expect(inFields(await insertRow(sql, 'definitions', { view: 'found' }))).toMatchObject(definitionDefaults)
})
