import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { accountOf, advanceToEnd, begin, countExecutions, makeGraph } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

// A server that is short of disk or memory when it is to claim a run. A trigger of the record raises what the server would.

const { database, sql } = useDatabase()

beforeAll(async () => {
  await sql.unsafe(`
    create table short (view text, sqlstate text, times integer);
    create function be_short() returns trigger language plpgsql set search_path = public as $$
    declare short record;
    begin
      select * into short from public.short s where s.view = new.view_name;
      if found and pg_catalog.nextval('refused_' || short.view) <= short.times then
        raise exception using errcode = short.sqlstate, message = 'there is no room';
      end if;
      return new;
    end $$;
    create trigger be_short before update on viewkeeper.runs for each row
      when (new.status = 'running' and old.status <> 'running') execute function be_short()`)
})

/** The claims of the next runs of a view fail so often. */
async function runShort(view: string, sqlstate: string, times = 1000): Promise<void> {
  await sql.unsafe(`create sequence refused_${view}`)
  await sql`insert into short values (${view}, ${sqlstate}, ${times})`
}
const refusals = async (view: string): Promise<number> =>
  (
    await sql.unsafe(`select case when is_called then last_value else 0 end::int as n from refused_${view}`)
  )[0]?.n

describe('a run that cannot be claimed', () => {
  test.each([
    ['53100', 'DiskFull'],
    ['53200', 'InsufficientResources'],
    ['58000', 'InsufficientResources'],
    ['58030', 'InsufficientResources'],
  ])('ends after some tries with what the server says: %s', { concurrent: true }, async (sqlstate, code) => {
    const view = `short_${sqlstate}`
    await sql.unsafe(`create materialized view ${view} as select 1 as id`)
    await runShort(view, sqlstate)
    const call = callOn(database, { idempotencyKey: view })
    const error = { class: code, sqlstate, message: 'there is no room.' }
    expect(await refresh({ view }, call)).toMatchObject({ status: 'error', error })
    expect(await refusals(view)).toBeGreaterThan(1)
    await sql`delete from short where view = ${view}`
    expect(await refresh({ view }, call)).toMatchObject({ status: 'updated' })
  })

  test('goes on if there is room again', async () => {
    await sql`create materialized view brief as select 1 as id`
    await runShort('brief', '53100', 2)
    expect(await refresh({ view: 'brief' }, callOn(database))).toMatchObject({ status: 'updated' })
    expect(await refusals('brief')).toBe(3)
  })
})

test('a run that fills the table of locks says which setting to raise', async () => {
  const { database, sql } = await startOwnServer({ max_locks_per_transaction: '10', max_connections: '20' })
  const lockAll = 'select count(pg_advisory_xact_lock_shared(n)) as n from generate_series(1, 1000000) n'
  await sql.unsafe(`create materialized view wide as ${lockAll} with no data`)
  expect(await refresh({ view: 'wide' }, callOn(database))).toMatchObject({
    status: 'error',
    error: {
      class: 'InsufficientResources',
      sqlstate: '53200',
      message: expect.stringMatching(/out of locks$/),
      hint: expect.stringMatching(/raise max_locks_per_transaction, which is 10, and restart the server/),
    },
  })
  const ours = database.withConnection((own) => own.unsafe(lockAll))
  await expect(ours).rejects.toMatchObject({
    message: expect.stringMatching(/Raise max_locks_per_transaction/),
  })
})

describe('in a batch', () => {
  test('an attempt that cannot be claimed ends with what the server says', async () => {
    await makeGraph(sql, 'brimful', { filled: [], above: ['filled'] })
    await runShort('filled', '53100')
    const batchId = await begin(database, { pattern: 'brimful.*', exchange: 'each', retries: 0 })
    const now = Date.now
    let later = 0
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + later)
    onTestFinished(() => void clock.mockRestore())
    const ended = advanceToEnd(database, batchId)
    await until('the attempt was refused twice', async () => (await refusals('filled')) > 1)
    later = 11_000
    await ended
    expect(
      await sql`select view_name as view, error ->> 'class' as class, error ->> 'sqlstate' as sqlstate
                  from viewkeeper.runs where batch_id = ${batchId} order by id`,
    ).toEqual([
      { view: 'filled', class: 'DiskFull', sqlstate: '53100' },
      { view: 'above', class: 'UpstreamFailed', sqlstate: null },
    ])
  })

  test('shadows wait for their exchange until there is room again', async () => {
    await makeGraph(sql, 'shadows', { lower: [], upper: ['lower'] })
    await advanceToEnd(database, await begin(database, { pattern: 'shadows.*' }))
    await sql.unsafe(`
      create sequence refused_lower;
      create function short_then() returns trigger language plpgsql as $$ begin
        if pg_catalog.nextval('public.refused_lower') <= 3 then raise exception using errcode = '53100', message = 'there is no room'; end if;
        return new; end $$;
      create trigger short_then before update on viewkeeper.runs for each row
        when (old.status = 'built' and new.status = 'running') execute function short_then()`)
    onTestFinished(() => void sql`drop trigger short_then on viewkeeper.runs`.execute())
    const batchId = await begin(database, { pattern: 'shadows.*', exchange: 'together' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await refusals('lower')).toBeGreaterThan(3)
    const { groups } = await getBatch(database, batchId)
    expect(groups).toMatchObject([{ givenUp: null }])
    expect((await accountOf(sql, batchId)).statuses).toEqual({ lower: ['success'], upper: ['success'] })
    for (const view of ['shadows.lower', 'shadows.upper']) expect(await countExecutions(sql, view)).toBe(2)
  })
})
