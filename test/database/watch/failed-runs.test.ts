import { afterAll, beforeAll, expect } from 'vitest'
import type { Api } from '../../../cli/api/api.ts'
import { endLines } from '../../../cli/watch/watch.ts'
import type { Run, Why } from '../../../src/api/answers.ts'
import { answerHttp } from '../../../src/api/http.ts'
import type { AnyRoute } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { createKeeper, type Keeper, type Problem } from '../../../src/engine.ts'
import type { ProblemBody } from '../../../src/words/problem.ts'
import { servedOn } from '../../support/api/served.ts'
import { eachCase } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { endProcess, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'

// Every door answers a run that did not succeed with what `why` says of it, and with the same command to type next.

const { sql, url, database } = useDatabase()
const environment = 'production'
const reporter = `reporter_${url.slice(-8)}`
let keeper: Keeper

async function ask<Body>(route: AnyRoute, path: Record<string, string>, body = {}) {
  const request = { path, query: {}, body: JSON.stringify(body), requestedBy: 'shop', at: Date.now() }
  const answer = await answerHttp(
    route,
    { ...request, headers: { prefer: 'wait=25' } },
    { ...servedOn(database), typed: environment },
  )
  return { ...answer, body: JSON.parse(answer.body) as Body }
}

beforeAll(async () => {
  keeper = await createKeeper({ databaseUrl: url, allowSuperuser: true, config: { environment } })
  await sql.unsafe(`
    create schema app;
    create table app.t as select 1 as a, 1 as b;
    create function app.refuses() returns integer language plpgsql as $$
      begin if (select count(*) from app.t) > 1 then raise exception 'of % rows', 2; end if; return 1; end $$;
    create function app.lacks() returns integer language plpgsql as $$
      begin if (select count(*) from app.t) > 1 then return (select gone from app.t limit 1); end if; return 1; end $$;
    create function app.lasts() returns integer language plpgsql as $$
      begin if (select count(*) from app.t) > 1 then perform pg_sleep(3600); end if; return 1; end $$;
    create materialized view app.late as select app.lasts();
    create materialized view app.raises as select app.refuses();
    create materialized view app.lacking as select app.lacks();
    create materialized view app.divides as select a / b from app.t;
    create materialized view app.checked as select a from app.t;
    create materialized view app.locked as select a from app.t;
    create materialized view app.twice as select 1 as a from app.t; create unique index twice_key on app.twice (a);
    create materialized view app.plain as select a from app.t;
    create materialized view app.unread as select a from app.t;
    create view app.reader as select a from app.plain;`)
  const gated = ['canceled', 'lost']
  for (const name of gated) await makeGatedView(sql, name)
  await define(sql, 'app.checked', { checks: { small: 'select a from checked where a > 1' } })
  for (const name of [
    'late',
    'raises',
    'lacking',
    'divides',
    'twice',
    'checked',
    'locked',
    'plain',
    'unread',
  ])
    await keeper.refreshView({ view: `app.${name}` })
  for (const view of gated) await keeper.refreshView({ view })
  await sql.unsafe(`
    insert into app.t values (2, 0);
    create role ${reporter}; grant usage, create on schema app to ${reporter};
    alter materialized view app.unread owner to ${reporter}`)
})

afterAll(async () => {
  await keeper.stop()
  await sql.unsafe(`drop owned by ${reporter} cascade; drop role ${reporter}`)
})

interface Failure {
  name: string
  view: string
  code: string
  next: RegExp
  body?: object
  /** In its cause. */
  says?: RegExp
  /** What makes a refresh fail that has been asked for. */
  during?: (asked: () => Promise<unknown>) => Promise<unknown>
}

const again = /^viewkeeper refresh \S+ --env production$/
const atGate = (view: string, then: (pid: number) => Promise<unknown>) => (asked: () => Promise<unknown>) =>
  withGateClosed(sql, view, async () => {
    const answer = asked()
    await then(await untilAtGate(sql, view))
    return answer
  })

const failures: Failure[] = [
  {
    name: 'an exception of the query',
    view: 'app.raises',
    code: 'ViewSqlFailed',
    next: /^viewkeeper bad-row app.raises$/,
  },
  {
    name: 'a column that is missing',
    view: 'app.lacking',
    code: 'ViewSqlFailed',
    next: /^viewkeeper bad-row app.lacking$/,
  },
  {
    name: 'two rows with one key',
    view: 'app.twice',
    code: 'ViewSqlFailed',
    next: /^viewkeeper bad-row app.twice$/,
    says: /unique violation in index twice_key \(a\)/,
  },
  {
    name: 'a row that is wrong',
    view: 'app.divides',
    code: 'ViewSqlFailed',
    next: /^viewkeeper bad-row app.divides$/,
  },
  {
    name: 'a check',
    view: 'app.checked',
    code: 'CheckFailed',
    next: /^viewkeeper runs \d+ --env production$/,
  },
  {
    name: 'a missing right',
    view: 'app.unread',
    code: 'InsufficientPrivilege',
    next: /^viewkeeper doctor app.unread/,
    says: new RegExp(`Missing: its owner, ${reporter}, lacks select on app\\.t\\.`),
  },
  {
    name: 'no unique index',
    view: 'app.plain',
    code: 'UniqueIndexRequired',
    body: { strategy: 'concurrent' },
    next: /^viewkeeper refresh app.plain --strategy auto --env production$/,
  },
  {
    name: 'a lock',
    view: 'app.locked',
    code: 'LockTimeout',
    body: { strategy: 'regular', timeoutSeconds: 3 },
    next: again,
    during: (asked) => whileLocked(url, 'select from app.locked', asked),
  },
  {
    name: 'its time-out',
    view: 'app.late',
    code: 'StatementTimeout',
    body: { timeoutSeconds: 3 },
    next: /^viewkeeper refresh app.late --timeout \d+ --env production$/,
    says: /canceled after 3 s in phase building: timeoutSeconds of the request/,
  },
  {
    name: 'a cancel',
    view: 'canceled',
    code: 'Canceled',
    next: again,
    during: atGate('canceled', async () => {
      const [run] = await sql`select max(id) as id from viewkeeper.runs where view_name = 'canceled'`
      await ask(routes.cancelRun, { id: String(run?.id) })
    }),
  },
  {
    name: 'the end of its server process',
    view: 'lost',
    code: 'RunLost',
    next: again,
    during: atGate('lost', (pid) => endProcess(sql, pid)),
  },
]

/** Without what differs from one moment to the next: a date, if a day has begun meanwhile, and an age. */
const timeless = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\d (?=\d\d:\d\d UTC)|, [\d.]+ s old/g, '')

/** The lines of a terminal as one text. */
const unwrapped = (lines: string[]) => timeless(lines.map((line) => line.trim()).join(' '))

const http = (view: string, body: object) => ask<ProblemBody>(routes.refreshView, { view }, body)
const engine = (view: string, body: object) =>
  keeper.refreshView({ view, ...body }).then(
    () => expect.fail('the refresh succeeded'),
    (problem: Problem) => problem,
  )
const causeOf = async (view: string, runId: number) =>
  (await ask<Why>(routes.getWhy, { view })).body.causes.find((cause) => cause.runId === runId)

eachCase(failures, { quick: 2 })('a refresh that fails for $name is answered alike', async (failure) => {
  const { view, code, body = {}, next, says, during = (asked) => asked() } = failure
  let answer: Awaited<ReturnType<typeof http>> | undefined
  await during(async () => {
    answer = await http(view, body)
  })
  const problem = answer!.body
  const runId = problem.runId as number
  const cause = await causeOf(view, runId)
  expect(cause?.text).toMatch(new RegExp(`^Run ${runId}\\b.* UTC`))
  expect(cause?.next).toMatch(next)
  if (says !== undefined) expect(cause?.text).toMatch(says)
  const text = timeless(cause!.text)
  expect(problem).toMatchObject({ code, next: cause?.next })
  expect(timeless(problem.detail).startsWith(text)).toBe(true)

  // The command line, if it heard of the failure at once, and of a run that it has watched.
  const { body: run } = await ask<Run>(routes.getRun, { id: String(runId) })
  expect(run.cause).toMatchObject({ code: cause?.code, next: cause?.next, runId })
  const there = { typed: environment } as Api
  const lines = endLines(there, run)
  expect(unwrapped(lines)).toContain(text)
  expect(lines).toContain(`  next: ${cause?.next}`)

  let thrown: Problem | undefined
  await during(async () => {
    thrown = await engine(view, body)
  })
  const again = await causeOf(view, thrown!.details.runId as number)
  expect(thrown).toMatchObject({ code, details: { next: again?.next } })
  expect(timeless(thrown!.message).startsWith(timeless(again!.text))).toBe(true)
})
