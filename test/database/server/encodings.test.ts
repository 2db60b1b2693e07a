import { beforeAll, expect, test } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { handler as batch } from '../../../functions/batch.ts'
import { handler as createView } from '../../../functions/create.ts'
import { handler as dropView } from '../../../functions/drop.ts'
import { handler as monitor, handler as news } from '../../../functions/monitor.ts'
import { handler as prune } from '../../../functions/prune.ts'
import { handler as refreshView } from '../../../functions/refresh.ts'
import type { HttpAnswer } from '../../../src/api/http.ts'
import type { OpenedBatch } from '../../../src/api/lambda/open-batch.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { httpEvent, lambdaContext, parsed, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep, eachGroup } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders, verifyFrozen } from '../../support/views/frozen.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// On most databases text is UTF-8. The encoding of another one lacks characters, and has some beyond ASCII.

const context = lambdaContext({ getRemainingTimeInMillis: () => 90_000 })
const folder = useFolders()
const headers = { prefer: 'wait=20' }
const notices = news as unknown as (
  question: object,
  of: typeof context,
) => Promise<{ events: { type: string; detail: { text: string } }[] }>

eachGroup(
  [
    { encoding: 'LATIN1', word: '\u00e9t\u00e9', lacking: '\u65e5' },
    { encoding: 'WIN1251', word: '\u043b\u0435\u0442\u043e', lacking: '\u00e9' },
    { encoding: 'EUC_JP', word: '\u65e5\u672c', lacking: '\u{1f642}' },
  ],
  { quick: 1 },
)('in a database in $encoding', ({ encoding, word, lacking }) => {
  const { url, sql, database } = useDatabase({ encoding })
  const view = `public."${word}"`

  quietFunctionsOn(url)
  beforeAll(async () => {
    await sql.unsafe(`
      create table base (id integer, "${word}" text); insert into base values (1, '${word}');
      create materialized view "${word}" as select id, "${word}", '${word}'::text as said from base;
      create unique index "${word}_key" on "${word}" (id); create index on "${word}" ((said || '${word}'));
      create statistics "${word}_s" on id, said from "${word}";
      comment on materialized view "${word}" is '${word}'; comment on column "${word}"."${word}" is '${word}';
      create view above as select "${word}" from "${word}"; comment on view above is '${word}'`)
  })

  type Served = (event: ReturnType<typeof httpEvent>, of: typeof context) => Promise<unknown>
  const ask = async (serve: unknown, route: string, options: Parameters<typeof httpEvent>[1] = {}) =>
    parsed((await (serve as Served)(httpEvent(route, { headers, ...options }), context)) as HttpAnswer)

  test.each(['regular', 'concurrent', 'swap', 'auto'])('a %s refresh carries all names', async (strategy) => {
    const before = await describeInCatalog(sql, view)
    const { statusCode, body } = await ask(refreshView, 'POST /views/{view}/refresh', {
      path: { view: `"${word}"` },
      body: { strategy },
    })
    expect([statusCode, body.status, body.view]).toEqual([200, 'updated', view])
    expect(await describeInCatalog(sql, view)).toEqual(before)
    expect(await sql.unsafe(`select * from "${word}"`)).toEqual([{ id: 1, [word]: word, said: word }])
  })

  test('a batch, its reads, the monitor and the prune work', deep, async () => {
    const opened = (await batch(
      {
        event: httpEvent('POST /batches', {
          body: { pattern: `*.${word}`, descendants: true },
          headers: { 'idempotency-key': word },
        }),
        requestId: word,
      },
      context,
    )) as OpenedBatch
    const id = opened.batchId as string
    await advanceToEnd(database, id)
    const shown = await ask(api, 'GET /batches/{id}', { path: { id } })
    expect(shown.body).toMatchObject({ status: 'success', views: [{ view }] })
    for (const [route, options] of [
      ['GET /views', {}],
      ['GET /views/{view}', { path: { view: `"${word}"` } }],
      ['GET /views/{view}/why', { path: { view: `"${word}"` } }],
      ['GET /runs', { query: { view: `"${word}"` } }],
      ['GET /view-metrics', {}],
    ] as const) {
      const { statusCode, body } = await ask(api, route, options)
      expect([route, statusCode]).toEqual([route, 200])
      expect(JSON.stringify(body)).toContain(word)
    }
    expect((await ask(api, 'POST /views/{view}/pause', { path: { view: `"${word}"` } })).statusCode).toBe(200)
    expect((await ask(api, 'POST /views/{view}/resume', { path: { view: `"${word}"` } })).statusCode).toBe(
      200,
    )
    await monitor({}, context)
    await prune({}, context)
  })

  test('a run is canceled, and a failed one has its message', async () => {
    await sql.unsafe(`
      create function raises() returns event_trigger language plpgsql as $$ begin
        raise exception '${word}' using detail = '${word}', hint = '${word}'; end $$;
      create function sleeps() returns integer language plpgsql as $$ begin perform pg_sleep(60); return 1; end $$;
      create materialized view "slow_${word}" as select sleeps() as id with no data;
      insert into viewkeeper.definitions (schema_name, name, sql, source) values ('public', 'made_${word}', 'select 1 as id', 'authored');
      create event trigger raises on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW') execute function raises()`)
    const failed = await ask(createView, 'POST /views/{view}/create', {
      path: { view: `made_${word}` },
      body: {},
    })
    await sql`drop event trigger raises`
    expect(failed.body.detail).toMatch(
      new RegExp(
        `^Run \\d+ could not create public."made_${word}" at .* UTC: ${word} \\(EventTriggerFailed, P0001\\)\\. ${word}\\. ${word}\\.$`,
      ),
    )
    await monitor({}, context)
    const waiting = await notices({ token: null, done: [], stop: false }, context)
    const message = waiting.events.find(({ type }) => type === 'Message')
    expect(message?.detail.text).toContain(`public."made_${word}" is authored and missing`)
    const { body } = await ask(refreshView, 'POST /views/{view}/refresh', {
      path: { view: `"slow_${word}"` },
      headers: {},
      body: {},
    })
    const canceled = await ask(api, 'POST /runs/{id}/cancel', { path: { id: String(body.runId) } })
    expect(canceled.body).toMatchObject({ runId: body.runId, status: 'error', error: { class: 'Canceled' } })
    const created = await ask(createView, 'POST /views/{view}/create', {
      path: { view: `made_${word}` },
      body: {},
    })
    expect(created.body.status).toBe('created')
    const dropped = await ask(dropView, 'POST /views/{view}/drop', {
      path: { view: `made_${word}` },
      body: {},
    })
    expect(dropped.body.status).toBe('deleted')
  })

  test(
    'a view is frozen, migrated up and down, checked and described; its file may have any character in a comment',
    deep,
    async () => {
      const frozen = await folder(`frozen ${encoding}`)
      const first = definition('authored', `select id, '${word}'::text as "${word}" from public.base`, {
        comment: word,
        indexes: [{ name: `authored_${word}`, unique: true, on: `("${word}")` }],
      })
      await frozen.freeze([first], { why: `because of ${lacking}` })
      expect(await verifyFrozen(database, [], await frozen.read())).toMatchObject([{ does: 'create' }])
      await migrateUp(migrateCall(database), await frozen.read())
      const second = { ...first, sql: `${first.sql} where "${word}" <> ''`, comment: `${word} 2` }
      await frozen.freeze([second])
      const all = await frozen.read()
      expect((await migrateUp(migrateCall(database), all)).applied).toMatchObject([{ does: 'rebuild' }])
      const qualified = { ...second, schema: 'public' }
      const differences = await readDrift(database, [qualified])
      expect(differences.filter(({ view: of }) => of === 'public.authored')).toEqual([])
      const described = await describeViews(database, ['authored', `"${word}"`])
      expect(described.filter(isDefined)).toMatchObject([
        { definition: { comment: word } },
        { definition: { comment: `${word} 2` } },
      ])
      expect((await migrateDown(migrateCall(database), all, 2)).undone).toMatchObject([
        { does: 'rebuild' },
        { does: 'drop' },
      ])
    },
  )

  test('a name with a character that the encoding lacks is the name of no view, on every route', async () => {
    const name = `of_${lacking}`
    const unknown = `There is no materialized view ${name} in this database: its encoding, ${encoding}, has no "${lacking}".`
    const path = { view: name }
    for (const [serve, route, options] of [
      [refreshView, 'POST /views/{view}/refresh', { path, body: {} }],
      [refreshView, 'POST /views/{view}/refresh', { path, body: {}, headers: { 'idempotency-key': 'k' } }],
      [createView, 'POST /views/{view}/create', { path, body: {} }],
      [dropView, 'POST /views/{view}/drop', { path, body: {} }],
      [api, 'POST /views/{view}/pause', { path }],
      [api, 'GET /views/{view}', { path }],
      [api, 'GET /views/{view}/why', { path }],
      [api, 'GET /runs', { query: path }],
      [api, 'GET /view-metrics', { query: path }],
    ] as const) {
      const { statusCode, body } = await ask(serve, route, options)
      expect([route, statusCode, body.code, body.detail]).toEqual([route, 404, 'UnknownView', unknown])
    }
    const batch = await openedWith({ views: ['above', name] })
    expect([batch.statusCode, batch.body.detail, batch.body.field]).toEqual([404, unknown, 'views'])
  })

  const openedWith = async (body: object, more: Parameters<typeof httpEvent>[1] = {}) => {
    const event = httpEvent('POST /batches', { body, ...more })
    const { answer } = (await batch({ event, requestId: 'r' }, context)) as OpenedBatch
    return parsed(answer as HttpAnswer)
  }

  test('any other text of a request with such a character is refused by its field', async () => {
    const refused = (field: string) => [
      400,
      `${field}: the database cannot store "${lacking}", because its encoding is ${encoding}. Leave the character out.`,
      field,
    ]
    const told = ({ statusCode, body }: Awaited<ReturnType<typeof ask>>) => [
      statusCode,
      body.detail,
      body.field,
    ]
    const key = { 'idempotency-key': `key ${lacking}` }
    const path = { view: `"${word}"` }
    const refreshed = (more: object) =>
      ask(refreshView, 'POST /views/{view}/refresh', { path, body: {}, ...more })
    expect(told(await refreshed({ headers: key }))).toEqual(refused('Idempotency-Key'))
    expect(told(await refreshed({ caller: `user/${lacking}` }))).toEqual(refused('requestedBy'))
    expect(told(await openedWith({ all: true }, { headers: key }))).toEqual(refused('Idempotency-Key'))
    expect(told(await openedWith({ pattern: `*${lacking}*` }))).toEqual(refused('pattern'))
    const paused = await ask(api, 'POST /pause', { caller: `user/${lacking}` })
    expect([paused.statusCode, paused.body.code]).toEqual([400, 'InvalidRequest'])
  })

  test('a lock is told with the names in the statement of its session, and without its constants', async () => {
    const holding = `lock table base in access exclusive mode; select '${word}' as "${word}"`
    await whileLocked(url, holding, async () => {
      const { body } = await ask(api, 'GET /views/{view}/why', { path: { view: `"${word}"` } })
      expect(body.locks).toMatchObject([
        { statement: `begin; lock table base in access exclusive mode; select ... as "${word}"` },
      ])
    })
  })

  test('a migration with such a character is refused with its place, and nothing is changed', async () => {
    const frozen = await folder(`lacking ${encoding}`)
    await frozen.freeze([definition('worse', `select '${lacking}'::text as c`)])
    const all = await frozen.read()
    for (const work of [() => migrateUp(migrateCall(database), all), () => verifyFrozen(database, [], all)]) {
      expect((await refusalOf(work())).message).toMatch(
        new RegExp(
          `worse.*line \\d+.*: character with byte sequence .* in encoding "UTF8" has no equivalent in encoding "${encoding}"`,
        ),
      )
    }
    const own = await folder(`own ${encoding}`)
    await own.write('001_own.up.sql', `select 1;\n-- ${lacking}\nselect 2;`)
    expect((await refusalOf(migrateUp(migrateCall(database), await own.read()))).message).toContain(
      `001_own.up.sql, line 2: the database cannot store "${lacking}"`,
    )
    expect(await sql`select from viewkeeper.migrations`).toEqual([])
  })
})
