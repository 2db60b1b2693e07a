import { expect, test } from 'vitest'
import { create } from '../../../../src/run/create.ts'
import { listRuns } from '../../../../src/run/read-runs.ts'
import { explainRun } from '../../../../src/watch/read-views.ts'
import { define } from '../../../support/record/rows.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'

const { database, sql } = useDatabase()

/** Creates a view, whose creation fails. */
async function errorOf(view: string) {
  await define(sql, `public.${view}`, { sql: 'select 1 as id' })
  return (await create({ view }, callOn(database))).error
}

/** The same, and it fails with these texts. */
async function failWith(view: string, message: string, detail: string, hint: string) {
  await sql.unsafe(`
    create or replace function "a function with a long name"() returns event_trigger language plpgsql as $$ begin
      raise exception using message = ${message}, detail = ${detail}, hint = ${hint}; end $$;
    create event trigger fails on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW')
      execute function "a function with a long name"()`)
  return errorOf(view).finally(() => sql`drop event trigger fails`)
}

const long = (letter: string) => `repeat('${letter}', 3000000)`

test('each text of an error is cut to 2,000 characters, and says how long it was', async () => {
  const cut = (letter: string) => `${letter.repeat(2000)}... (cut: 3000000 characters)`
  expect(await failWith('cut', long('m'), long('d'), long('h'))).toMatchObject({
    class: 'EventTriggerFailed',
    message: cut('m'),
    detail: cut('d'),
    hint: cut('h'),
  })
})

test('a cut falls between two characters, and a text of 2,000 characters is whole', async () => {
  const error = await failWith(
    'characters',
    "repeat('\u{1f642}', 2000)",
    "repeat('\u{1f642}', 2001)",
    "'short'",
  )
  expect(error?.message).toBe('\u{1f642}'.repeat(2000))
  expect(error?.detail).toBe(`${'\u{1f642}'.repeat(2000)}... (cut: 2001 characters)`)
  expect(error?.hint).toBe('short')
})

test('the context of functions that call themselves many times is cut, too', async () => {
  await sql.unsafe(`
    create function calls_itself(n integer) returns integer language plpgsql as $$ begin
      if n = 0 then raise exception 'deep'; end if; return public.calls_itself(n - 1); end $$;
    create function deep() returns event_trigger language plpgsql as $$ declare n integer; begin n := public.calls_itself(200); end $$;
    create event trigger deep on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW') execute function deep()`)
  const error = await errorOf('deep')
  await sql`drop event trigger deep`
  expect(error?.message).toBe('deep')
  expect(error?.context).toMatch(
    /^event trigger deep\npublic\.calls_itself\(integer\) line 2\n[\s\S]{1900,2000}\.\.\. \(cut: \d+ characters\)$/,
  )
})

test('a page of runs has each text of an error once', async () => {
  for (const view of ['one', 'two', 'three'])
    await failWith(`huge_${view}`, `'${view} ' || ${long('m')}`, long('d'), long('h'))
  const { runs } = await listRuns(database, { status: ['failed'], limit: 50 })
  for (const view of ['one', 'two', 'three'])
    expect(JSON.stringify(runs).split(`${view} mmm`)).toHaveLength(2)
  expect(JSON.stringify(runs).length).toBeLessThan(100_000)
  const { id, error } = runs[0]!
  const single = await explainRun(database, id, null)
  expect(single.error).toEqual(error)
  expect(single.result).toMatchObject({ runId: id, status: 'error' })
  expect(single.result).not.toHaveProperty('error')
})
