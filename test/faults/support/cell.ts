import { appendFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deleteRows, earlier, updateRows } from '../../support/record/rows.ts'
import { muchLater, until } from '../../support/waiting/until.ts'
import { readyClient } from './client.ts'
import { startCopies } from './copies.ts'
import { type Fault, faultOf } from './faults.ts'
import { closeGate } from './gates.ts'
import { startReader } from './reader.ts'
import { type Outcome, type Rounds, results } from './results.ts'
import { bump, makeScene } from './scene.ts'
import type { Cell, Client } from './struck.ts'
import { expectTruth, lookOf, openBatches, untilAlone } from './truth.ts'
import { type Scene, type WayName, wayOf } from './ways.ts'
import { wordOf } from './word.ts'
import { password, type World } from './world.ts'

let scenes = 0

/** Lets a fault strike, mends it, lets the product settle what is left, and checks that all that it says is true. */
export async function runCell(world: World, cell: Cell): Promise<void> {
  const outcome = await inScene(world, cell.way, faultOf(cell.fault), (scene, ends) =>
    strike(world, cell, scene, ends),
  )
  note({ ...cell, ...outcome })
}

/** Everything that has to end, also if a cell fails. */
type Ends = (() => Promise<unknown>)[]

/** Makes a scene for a way, where `work` lets something go wrong; then settles what is left, and checks what has to be true. */
export async function inScene(
  world: World,
  name: WayName,
  { breaksReaders, mayPart }: Pick<Fault, 'breaksReaders' | 'mayPart'>,
  work: (scene: Scene, ends: Ends) => Promise<{ told: string; changed?: boolean }>,
): Promise<Pick<Outcome, 'told' | 'runs' | 'settled'>> {
  const { sql, url } = world
  const way = wayOf(name)
  const schema = `cell_${++scenes}`
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-faults-'))
  const scene = { schema, migrations: pathToFileURL(`${folder}/`).href }
  await makeScene(world, way, scene, name === 'migrate')
  const before = await lookOf(sql, schema, way.views)
  const reader = startReader(url, way, scene, { mayBreak: breaksReaders ?? false })
  const ends: Ends = [() => reader.stop()]
  try {
    const { told, changed } = await work(scene, ends)
    expect(told).not.toContain(password)
    const settled = await settle(world, name, scene)
    const kept = changed ? await lookOf(sql, schema, way.views) : before
    await expectTruth(sql, way, scene, kept)
    const runs = await endsOf(world, schema)
    const apart =
      name.startsWith('batch') &&
      (mayPart || runs.some((end) => ['CatalogChanged', 'NotExchanged'].includes(end)))
    expect(await reader.stop(apart)).toEqual([])
    await heal(world, name, scene)
    await expectTruth(sql, way, scene, name === 'migrate' ? await lookOf(sql, schema, way.views) : kept)
    return { told, runs, settled }
  } finally {
    for (const end of ends.toReversed()) await end()
    await sql.unsafe(`drop schema ${schema} cascade; delete from gates.raised; delete from gates.pace`)
    for (const table of ['migrations', 'setAside'] as const) await deleteRows(sql, table)
  }
}

/** Goes the way until the phase, where the fault strikes, and on to its end. */
async function strike(world: World, cell: Cell, scene: Scene, ends: Ends) {
  const { sql, clientUrl } = world
  const fault = faultOf(cell.fault)
  const way = wayOf(cell.way)
  const lock = way.lock ? `${way.lock} ${scene.schema}.base is 'held'` : `select from ${scene.schema}.base`
  const credentials = { now: async () => password, fresh: async () => password }
  const database = connectTo(async ({ fresh }) => ({
    ...(await fromUrl(clientUrl)({ fresh })),
    password: await credentials[fresh ? 'fresh' : 'now'](),
  }))
  const call = { idempotencyKey: scene.schema, ...(!fault.endsByItsTime && { waitUntil: muchLater() }) }
  const again = () => way.perform(database, scene, call).catch(wordOf)
  const kept = { changed: false }
  const struck = {
    world,
    scene,
    wayName: cell.way,
    pid: 0,
    client: idle,
    credentials,
    database,
    call,
    again,
    lock,
    kept,
    another: async () => {},
    failOver: async () => {},
  }
  const copies = fault.served && (await startCopies(world, scene))
  const over: (() => Promise<unknown>)[] = []
  /** What mends a fault happens once, at the latest if the cell fails. */
  const mendLater = (mend: unknown) => {
    if (typeof mend !== 'function') return
    let mended: Promise<unknown> | undefined
    const once = () => (mended ??= mend())
    over.push(once)
    ends.push(once)
  }
  const gate = cell.phase === 'throughout' ? undefined : await closeGate(world, cell.phase, lock)
  if (gate !== undefined) ends.push(gate.open)
  mendLater(await fault.prepare?.(struck))
  if (gate === undefined) mendLater(await fault.strike(struck))
  const client = copies
    ? copies.ask(cell.way)
    : fault.process
      ? (await readyClient(clientUrl)).go(cell.way, scene, fault.process.wrongMs)
      : { told: again(), signal: () => {} }
  ends.push(async () => client.signal('SIGKILL'))
  if (gate !== undefined) {
    const tooEarly = client.told.then((told) =>
      Promise.reject(new Error(`the way ended before its phase: ${told}`)),
    )
    tooEarly.catch(() => {}) // of no interest after the race
    const pid = await Promise.race([gate.met(), tooEarly])
    await bump(sql, scene.schema)
    mendLater(await fault.strike(Object.assign(struck, { pid, client, ...copies })))
    await gate.open()
  }
  if (fault.until === 'the server has done its part') await untilIdle(world)
  else await client.told
  for (const mend of over) await mend()
  const told = await client.told
  await copies?.settle()
  return { told, ...kept }
}

const idle: Client = { told: Promise.resolve(''), signal: () => {} }

/** Waits until the server works on nothing of ours any more. What waits for a client, or for a session that does, goes no further. */
const untilIdle = ({ sql }: World) =>
  until('the server has done its part', async () => {
    const busy = await sql`
      select from pg_stat_activity
       where datname = current_database() and application_name like 'viewkeeper%' and state = 'active'
         and wait_event_type is distinct from 'Client'
         and not pg_blocking_pids(pid) && array(select w.pid from pg_stat_activity w where w.wait_event_type = 'Client')`
    return busy.length === 0
  })

/**
 * What happens without the client: the server ends what it works on; two minutes later the monitor closes what nobody works on;
 * the function of a batch is called again, and put-back is typed again.
 */
async function settle(world: World, name: WayName, scene: Scene): Promise<boolean> {
  const { sql, clientUrl } = world
  const database = connectTo(fromUrl(clientUrl))
  await untilAlone(sql)
  await earlier(sql, 'runs', { finishedAt: null }, '2 minutes', 'claimBy')
  await monitor(database, { schedules: unscheduled, publish: unheard })
  const left = [...(await openBatches(sql, scene.schema)), ...(await sql`select from viewkeeper.set_aside`)]
  if (left.length > 0) await wayOf(name).perform(database, scene)
  await untilAlone(sql)
  return left.length > 0
}

/** Afterwards the way works as if nothing had happened, and brings the newest data. */
async function heal(world: World, name: WayName, scene: Scene): Promise<void> {
  const { sql, clientUrl } = world
  const way = wayOf(name)
  expect(await bump(sql, scene.schema)).toBe(true)
  await updateRows(sql, 'definitions', { schemaName: scene.schema }, { timeoutSeconds: 300 })
  const told = await way.perform(connectTo(fromUrl(clientUrl)), scene, { waitUntil: muchLater() })
  expect(['updated', 'skipped', 'success', 'migrated', 'done']).toContain(told)
  await untilAlone(sql)
  for (const view of way.views) {
    const [row] = await sql.unsafe(
      `select v.n = t.n as same from ${scene.schema}.${view} v, ${scene.schema}.t t`,
    )
    expect({ view, ...row }).toEqual({ view, same: true })
  }
}

/** How the runs have ended, in their order. */
const endsOf = async ({ sql }: World, schema: string): Promise<string[]> =>
  (
    await sql`
    select coalesce(error ->> 'class', status) as "end" from viewkeeper.runs where schema_name = ${schema} order by id`
  ).map(({ end }) => end)

/** Writes down what has become of a cell, or of many rounds at random, for `docs/faults.md`. */
export function note(outcome: Outcome | Rounds): void {
  mkdirSync(join(results, '..'), { recursive: true })
  appendFileSync(results, `${JSON.stringify(outcome)}\n`)
}
