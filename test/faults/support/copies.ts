import { expect } from 'vitest'
import { type Copy, serve } from '../../end-to-end/support/copies.ts'
import { earlier } from '../../support/record/rows.ts'
import { until } from '../../support/waiting/until.ts'
import { overHttp } from './over-http.ts'
import type { Client, Struck } from './struck.ts'
import { openBatches } from './truth.ts'
import { type Scene, type WayName, wayOf } from './ways.ts'
import { wordOf } from './word.ts'
import type { World } from './world.ts'

/** Copies of `viewkeeper serve`: one leads, and is asked; another one is started when something has gone wrong. */
interface Copies extends Pick<Struck, 'another'> {
  ask(way: WayName): Client
  /** Waits until nothing is left that a copy has to settle, and ends all copies. */
  settle(): Promise<void>
}

export async function startCopies({ sql, clientUrl }: World, scene: Scene): Promise<Copies> {
  const copies: Copy[] = []
  const start = async (says: RegExp) => {
    const copy = await serve({ DATABASE_URL: clientUrl })
    copies.push(copy)
    await copy.says(says)
    return copy
  }
  const asked = await start(/^leads/)
  const another = async (says: RegExp) => {
    // Two minutes later. What somebody still works on, he says so again.
    await earlier(sql, 'runs', { finishedAt: null }, '2 minutes', 'claimBy')
    await earlier(sql, 'batches', { finishedAt: null }, '2 minutes', 'advancedAt')
    await start(says)
  }
  return {
    another,
    ask: (way) => ({
      told: wayOf(way)
        .perform(never, scene, { idempotencyKey: scene.schema }, overHttp(asked.url))
        .catch(wordOf),
      signal: (signal) => void asked.process.kill(signal),
    }),
    async settle() {
      if (copies.length === 1) await another(/^(leads|follows)/)
      await until(`the copies settle what is left: ${copies.at(-1)?.printed()}`, async () => {
        const runs = await sql`
          select from viewkeeper.runs where schema_name = ${scene.schema} and finished_at is null`
        return runs.length + (await openBatches(sql, scene.schema)).length === 0
      })
      const alive = copies.filter(({ process }) => process.signalCode === null)
      for (const { process } of alive) process.kill('SIGTERM')
      expect(await Promise.all(alive.map(({ exit }) => exit))).toEqual(alive.map(() => 0))
    },
  }
}

/** The ways have another process do it. */
const never = undefined as never
