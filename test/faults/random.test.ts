import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, test } from 'vitest'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { connectTo } from '../../src/server/connect.ts'
import { counts } from '../support/counts.ts'
import { seeded, seedOf } from '../support/seeded.ts'
import { until } from '../support/waiting/until.ts'
import { inScene, note } from './support/cell.ts'
import { type ReadyClient, readyClient } from './support/client.ts'
import { restart } from './support/faults.ts'
import { type Scene, type WayName, wayNames, wayOf } from './support/ways.ts'
import { wordOf } from './support/word.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world?.stop())

const seed = seedOf(330_033)

/** Each phase takes up to so long, so that every moment may be in any of them. */
const slowly = () => world.sql`insert into gates.pace values (0.1)`
const quickly = () => world.sql`delete from gates.pace`

/** Counts how runs have ended. */
function tally() {
  const ends: Record<string, number> = {}
  return {
    ends,
    add(runs: string[]) {
      for (const end of runs) ends[end] = (ends[end] ?? 0) + 1
    },
  }
}

test(
  `${counts.killedDrivers} kills (-9) of processes that advance one batch, four at once, leave nothing untrue (SEED=${seed})`,
  async () => {
    const { below, oneOf } = seeded(seed)
    const four = () => Promise.all([1, 2, 3, 4].map(() => readyClient(world.clientUrl)))
    const batches: WayName[] = ['batch, each', 'batch, together', 'batch, together, checked']
    const { ends, add } = tally()
    let killed = 0
    let next: Promise<ReadyClient[]> = four()
    /** Lets four processes advance a batch, and kills each of them at some moment. Gives how many were still at work. */
    const kill = async (way: WayName, scene: Scene) => {
      const clients = await next
      next = four() // meanwhile
      const isBegun = async () =>
        (
          await world.sql`
            select from viewkeeper.batches b where finished_at is null
               and exists (select from viewkeeper.runs r where r.batch_id = b.id and r.schema_name = ${scene.schema})`
        ).length
      const told = clients.map(async (each, at) => {
        const client = each.go(way, scene)
        // One of them may be killed before there is anything to do.
        if (at > 0) await Promise.race([client.told, until('the batch has begun', isBegun)])
        await Promise.race([client.told, pause(below(1500))])
        client.signal('SIGKILL')
        return client.told
      })
      return (await Promise.all(told)).filter((signal) => signal === 'SIGKILL').length
    }
    while (killed < counts.killedDrivers) {
      const way = oneOf(batches)
      const { runs } = await inScene(world, way, {}, async (scene) => {
        await slowly()
        for (let wave = 0; wave < 3; wave++) killed += await kill(way, scene)
        await quickly()
        return { told: 'SIGKILL' }
      })
      add(runs)
    }
    for (const client of await next) client.end()
    const rounds = 'kills (-9) of processes that advance one batch, four at once'
    note({ rounds, seed, strikes: killed, ends })
  },
  900_000 + counts.killedDrivers * 15_000,
)

test(
  `${counts.restarts} restarts of the server at random moments leave nothing untrue (SEED=${seed})`,
  async () => {
    const { below, oneOf } = seeded(seed)
    const { ends, add } = tally()
    for (let round = 0; round < counts.restarts; round++) {
      const way = oneOf(wayNames)
      const signal = oneOf(['SIGINT', 'SIGQUIT', 'SIGKILL'] as const)
      const { runs } = await inScene(world, way, { breaksReaders: true }, async (scene) => {
        await slowly()
        const told = wayOf(way)
          .perform(connectTo(fromUrl(world.clientUrl)), scene)
          .catch(wordOf)
        await Promise.race([told, pause(below(1500))])
        await restart(world, signal)
        await quickly()
        return { told: await told }
      })
      add(runs)
    }
    note({
      rounds: 'restarts of the server: fast, immediate, after a kill (-9)',
      seed,
      strikes: counts.restarts,
      ends,
    })
  },
  900_000 + counts.restarts * 60_000,
)
