import { beforeAll, expect, test } from 'vitest'
import { answerHttp } from '../../../src/api/http.ts'
import type { AnyRoute } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { handOut } from '../../../src/events/hand-out.ts'
import { prune } from '../../../src/keeper/jobs.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { servedOn } from '../../support/api/served.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep, eachGroup } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders, verifyFrozen } from '../../support/views/frozen.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { muchLater } from '../../support/waiting/until.ts'

// On most databases text is UTF-8. The encoding of another one lacks characters, and has some beyond ASCII.

const folder = useFolders()

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

  beforeAll(async () => {
    await sql.unsafe(`
      create table base (id integer, "${word}" text); insert into base values (1, '${word}');
      create materialized view "${word}" as select id, "${word}", '${word}'::text as said from base;
      create unique index "${word}_key" on "${word}" (id); create index on "${word}" ((said || '${word}'));
      create statistics "${word}_s" on id, said from "${word}";
      comment on materialized view "${word}" is '${word}'; comment on column "${word}"."${word}" is '${word}';
      create view above as select "${word}" from "${word}"; comment on view above is '${word}'`)
  })

  const people = { environment: 'shop', typed: null, links: {} }
  const look = () => monitor(database, { schedules: unscheduled, publish: unheard, people })
  const path = { view: `"${word}"` }
  async function ask(
    route: AnyRoute,
    asked: Partial<Parameters<typeof answerHttp>[1]> = {},
    input: object = {},
  ) {
    const request = {
      path: {},
      query: {},
      headers: { prefer: 'wait=20' },
      requestedBy: 'test',
      at: Date.now(),
    }
    const body = JSON.stringify(input)
    const answer = await answerHttp(route, { ...request, body, ...asked }, servedOn(database))
    return { ...answer, body: JSON.parse(answer.body) }
  }

  test.each(['regular', 'concurrent', 'swap', 'auto'])('a %s refresh carries all names', async (strategy) => {
    const before = await describeInCatalog(sql, view)
    const { statusCode, body } = await ask(routes.refreshView, { path }, { strategy })
    expect([statusCode, body.status, body.view]).toEqual([200, 'updated', view])
    expect(await describeInCatalog(sql, view)).toEqual(before)
    expect(await sql.unsafe(`select * from "${word}"`)).toEqual([{ id: 1, [word]: word, said: word }])
  })

  test('a batch, its reads, the monitor and the prune work', deep, async () => {
    const request = { pattern: `*.${word}`, descendants: true }
    const opened = await ask(routes.startBatch, { headers: { 'idempotency-key': word } }, request)
    const id = opened.body.batchId as string
    await advanceToEnd(database, id)
    const shown = await ask(routes.getBatch, { path: { id } })
    expect(shown.body).toMatchObject({ status: 'success', views: [{ view }] })
    for (const [route, asked] of [
      [routes.listViews, {}],
      [routes.getView, { path }],
      [routes.getWhy, { path }],
      [routes.listRuns, { query: path }],
      [routes.getMetrics, {}],
    ] as const) {
      const { statusCode, body } = await ask(route, asked)
      expect([route.path, statusCode]).toEqual([route.path, 200])
      expect(JSON.stringify(body)).toContain(word)
    }
    for (const route of [routes.pauseView, routes.resumeView])
      expect((await ask(route, { path })).statusCode).toBe(200)
    await look()
    await prune(database, { successes: 500, days: 90 }, muchLater())
  })

  test('a run is canceled, and a failed one has its message', async () => {
    await sql.unsafe(`
      create function raises() returns event_trigger language plpgsql as $$ begin
        raise exception '${word}' using detail = '${word}', hint = '${word}'; end $$;
      create function sleeps() returns integer language plpgsql as $$ begin perform pg_sleep(60); return 1; end $$;
      create materialized view "slow_${word}" as select sleeps() as id with no data;
      create event trigger raises on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW') execute function raises()`)
    await define(sql, `public.made_${word}`, { sql: 'select 1 as id' })
    const made = { path: { view: `made_${word}` } }
    const failed = await ask(routes.createView, made)
    await sql`drop event trigger raises`
    expect(failed.body.detail).toMatch(
      new RegExp(
        `^Run \\d+ could not create public."made_${word}" at .* UTC: ${word} \\(EventTriggerFailed, P0001\\)\\. ${word}\\. ${word}\\.$`,
      ),
    )
    await look()
    const waiting = await handOut(database, { token: null, done: [], stop: false }, 'shop')
    const message = waiting.busy ? null : waiting.events.find(({ type }) => type === 'Message')
    expect(message?.detail.text).toContain(`public."made_${word}" is authored and missing`)
    const { body } = await ask(routes.refreshView, { path: { view: `"slow_${word}"` }, headers: {} })
    const canceled = await ask(routes.cancelRun, { path: { id: String(body.runId) } })
    expect(canceled.body).toMatchObject({ runId: body.runId, status: 'error', error: { class: 'Canceled' } })
    expect((await ask(routes.createView, made)).body.status).toBe('created')
    expect((await ask(routes.dropView, made)).body.status).toBe('deleted')
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
    const lost = { path: { view: name } }
    for (const [route, asked] of [
      [routes.refreshView, lost],
      [routes.refreshView, { ...lost, headers: { 'idempotency-key': 'k' } }],
      [routes.createView, lost],
      [routes.dropView, lost],
      [routes.pauseView, lost],
      [routes.getView, lost],
      [routes.getWhy, lost],
      [routes.listRuns, { query: lost.path }],
      [routes.getMetrics, { query: lost.path }],
    ] as const) {
      const { statusCode, body } = await ask(route, asked)
      expect([route.path, statusCode, body.code, body.detail]).toEqual([
        route.path,
        404,
        'UnknownView',
        unknown,
      ])
    }
    const batch = await ask(routes.startBatch, {}, { views: ['above', name] })
    expect([batch.statusCode, batch.body.detail, batch.body.field]).toEqual([404, unknown, 'views'])
  })

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
    const headers = { 'idempotency-key': `key ${lacking}` }
    const requestedBy = `user/${lacking}`
    expect(told(await ask(routes.refreshView, { path, headers }))).toEqual(refused('Idempotency-Key'))
    expect(told(await ask(routes.refreshView, { path, requestedBy }))).toEqual(refused('requestedBy'))
    expect(told(await ask(routes.startBatch, { headers }, { all: true }))).toEqual(refused('Idempotency-Key'))
    const batch = await ask(routes.startBatch, {}, { pattern: `*${lacking}*` })
    expect(told(batch)).toEqual(refused('pattern'))
    const paused = await ask(routes.pauseAll, { requestedBy })
    expect([paused.statusCode, paused.body.code]).toEqual([400, 'InvalidRequest'])
  })

  test('a lock is told with the names in the statement of its session, and without its constants', async () => {
    const holding = `lock table base in access exclusive mode; select '${word}' as "${word}"`
    await whileLocked(url, holding, async () => {
      const { body } = await ask(routes.getWhy, { path })
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
