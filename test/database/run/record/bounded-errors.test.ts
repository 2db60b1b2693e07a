import { expect, test } from 'vitest'
import { handler as api } from '../../../../functions/api.ts'
import { handler as createView } from '../../../../functions/create.ts'
import type { RunError } from '../../../../src/words/run.ts'
import { httpEvent, lambdaContext, parsed, quietFunctionsOn } from '../../../support/aws/lambda.ts'
import { useDatabase } from '../../../support/servers/database.ts'

const { url, sql } = useDatabase()
const context = lambdaContext()
const headers = { prefer: 'wait=20' }

quietFunctionsOn(url)

/** Creates a view, whose creation fails with these texts. */
async function failWith(view: string, message: string, detail: string, hint: string): Promise<RunError> {
  await sql.unsafe(`
    create or replace function "a function with a long name"() returns event_trigger language plpgsql as $$ begin
      raise exception using message = ${message}, detail = ${detail}, hint = ${hint}; end $$;
    create event trigger fails on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW')
      execute function "a function with a long name"();
    insert into viewkeeper.definitions (schema_name, name, sql, source) values ('public', '${view}', 'select 1 as id', 'authored')`)
  try {
    await createView(httpEvent('POST /views/{view}/create', { path: { view }, headers, body: {} }), context)
  } finally {
    await sql`drop event trigger fails`
  }
  return (await sql`select error from viewkeeper.runs order by id desc limit 1`)[0]?.error
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
  expect(error.message).toBe('\u{1f642}'.repeat(2000))
  expect(error.detail).toBe(`${'\u{1f642}'.repeat(2000)}... (cut: 2001 characters)`)
  expect(error.hint).toBe('short')
})

test('the context of functions that call themselves many times is cut, too', async () => {
  await sql.unsafe(`
    create function calls_itself(n integer) returns integer language plpgsql as $$ begin
      if n = 0 then raise exception 'deep'; end if; return public.calls_itself(n - 1); end $$;
    create function deep() returns event_trigger language plpgsql as $$ declare n integer; begin n := public.calls_itself(200); end $$;
    create event trigger deep on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW') execute function deep();
    insert into viewkeeper.definitions (schema_name, name, sql, source) values ('public', 'deep', 'select 1 as id', 'authored')`)
  await createView(
    httpEvent('POST /views/{view}/create', { path: { view: 'deep' }, headers, body: {} }),
    context,
  )
  await sql`drop event trigger deep`
  const [run] = await sql<{ error: RunError }[]>`select error from viewkeeper.runs order by id desc limit 1`
  expect(run?.error.message).toBe('deep')
  expect(run?.error.context).toMatch(
    /^event trigger deep\npublic\.calls_itself\(integer\) line 2\n[\s\S]{1900,2000}\.\.\. \(cut: \d+ characters\)$/,
  )
})

test('a page of runs has each text of an error once', async () => {
  for (const view of ['one', 'two', 'three'])
    await failWith(`huge_${view}`, `'${view} ' || ${long('m')}`, long('d'), long('h'))
  const answer = await api(httpEvent('GET /runs', { query: { status: 'failed' } }), context)
  const { body } = parsed(answer as never)
  for (const view of ['one', 'two', 'three'])
    expect(JSON.stringify(body).split(`${view} mmm`)).toHaveLength(2)
  expect(JSON.stringify(body).length).toBeLessThan(100_000)
  const [{ id, error }] = body.runs
  const single = parsed(
    (await api(httpEvent('GET /runs/{id}', { path: { id: String(id) } }), context)) as never,
  )
  expect(single.body.error).toEqual(error)
  expect(single.body.result).toMatchObject({ runId: id, status: 'error' })
  expect(single.body.result).not.toHaveProperty('error')
})
