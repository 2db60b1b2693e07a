import { advance } from '../../../src/batch/advance.ts'
import { startBatch } from '../../../src/batch/start.ts'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { migrateDown, migrateUp, migrationStatus } from '../../../src/migrate/migrate.ts'
import type { Call } from '../../../src/run/call.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { putBack, setAside } from '../../../src/set-aside/set-aside.ts'
import type { Exchange } from '../../../src/words/run.ts'
import { callAlter } from '../../support/views/alter.ts'

/** Where a fault strikes. */
export type Phase =
  | 'claim'
  | 'locking'
  | 'building'
  | 'indexing'
  | 'checking'
  | 'exchange'
  | 'recording'
  | 'between'
  | 'leaving out'

/** What a way works on: a schema of its own, and for `migrate` a folder. */
export interface Scene {
  schema: string
  migrations: string
}

/** A way to bring new data into views. */
export interface Way {
  /** The views that it fills, parents first. `base` reads the table. */
  views: readonly string[]
  phases: readonly Phase[]
  /** Whether `base` has checks. */
  checked?: true
  /** What keeps the way from its lock, on `base`. */
  lock?: string
  /** What readers are promised: views of one state; parents that are no older than their children; or not even that all are there. */
  readers: 'one state' | 'in order' | 'may be gone'
  /** Does it once, and gives the status or class of the end. */
  perform: Perform
}

type Perform = (
  database: Database,
  scene: Scene,
  call?: Partial<Call>,
  operations?: Operations,
) => Promise<string>

const one = ['base'] as const
const three = ['base', 'mid', 'top'] as const

const callOf = (database: Database, call: Partial<Call> = {}): Call => ({
  database,
  trigger: 'http',
  requestedBy: 'faults',
  caller: 'faults',
  idempotencyKey: null,
  waitUntil: Date.now() + 30_000,
  ...call,
})

/** What the ways call: directly, or through another door. */
const present = { advance, refresh, startBatch }
export type Operations = typeof present

const refreshing =
  (strategy: Strategy): Perform =>
  async (database, { schema }, call, { refresh } = present) => {
    const { status, error } = await refresh({ view: `${schema}.base`, strategy }, callOf(database, call))
    return error?.class ?? status
  }

/** Starts a batch, or goes on with the one that is open, until it has ended: as the state machine does. */
const batch =
  (exchange: Exchange): Perform =>
  async (database, { schema }, call, { advance, startBatch } = present) => {
    const started = await startBatch({ pattern: `${schema}.*`, exchange }, callOf(database, call))
    const batchId = started.error?.class === 'BatchAlreadyOpen' ? started.error.openBatchId! : started.batchId
    for (;;) {
      const ended = await advance(batchId, { database, until: Date.now() + 30_000 })
      if (ended.done) return ended.error?.class ?? ended.status
    }
  }

const inPlace = ['claim', 'locking', 'building', 'indexing', 'recording'] as const
const exchanged = ['claim', 'building', 'indexing', 'locking', 'exchange', 'recording'] as const
const aside = ['locking', 'exchange', 'building', 'indexing', 'recording'] as const

const ways = {
  regular: { views: one, phases: inPlace, readers: 'one state', perform: refreshing('regular') },
  concurrent: {
    views: one,
    phases: inPlace,
    readers: 'one state',
    lock: 'comment on materialized view',
    perform: refreshing('concurrent'),
  },
  swap: { views: one, phases: exchanged, readers: 'one state', perform: refreshing('swap') },
  'regular, checked': {
    views: one,
    phases: [...inPlace, 'checking'],
    checked: true,
    readers: 'one state',
    perform: refreshing('regular'),
  },
  'swap, checked': {
    views: one,
    phases: [...exchanged, 'checking'],
    checked: true,
    readers: 'one state',
    perform: refreshing('swap'),
  },
  group: { views: three, phases: exchanged, readers: 'one state', perform: refreshing('swap') },
  /** The parent is refreshed, then its children are, then they are not: nothing was filled since. */
  'left out': {
    views: three,
    phases: ['claim', 'between', 'leaving out'],
    readers: 'in order',
    async perform(database, { schema }, call, { refresh } = present) {
      let told = ''
      for (const view of ['base', 'mid', 'top', 'mid', 'top']) {
        const trigger = view === 'base' ? 'http' : 'schedule'
        const { status, error } = await refresh(
          { view: `${schema}.${view}`, strategy: 'regular' },
          { ...callOf(database, call), trigger, idempotencyKey: null },
        )
        if (error !== undefined) return error.class
        told = status
      }
      return told
    },
  },
  'batch, each': {
    views: three,
    phases: [...exchanged, 'between'],
    readers: 'in order',
    perform: batch('each'),
  },
  'batch, together': {
    views: three,
    phases: [...exchanged, 'between'],
    readers: 'one state',
    perform: batch('together'),
  },
  'batch, together, checked': {
    views: three,
    phases: [...exchanged, 'between', 'checking'],
    checked: true,
    readers: 'one state',
    perform: batch('together'),
  },
  migrate: {
    views: one,
    phases: exchanged,
    readers: 'one state',
    /** Up; if that is done already, down. */
    async perform(database, { migrations }, call) {
      const folder = await readFrozenMigrations(new URL(migrations))
      const { pending } = await migrationStatus(database, folder)
      const { waitUntil, requestedBy } = callOf(database, call)
      const migration = { database, trigger: 'cli', requestedBy, waitUntil, withData: true } as const
      if (pending.length > 0) await migrateUp(migration, folder)
      else await migrateDown(migration, folder, 1)
      return 'migrated'
    },
  },
  alter: {
    views: one,
    phases: aside,
    readers: 'may be gone',
    async perform(database, { schema }) {
      const text = `alter table ${schema}.t alter column n type bigint`
      await callAlter(database, text, { requestedBy: 'faults', huntMs: 15_000 })
      return 'done'
    },
  },
  'set aside and put back': {
    views: one,
    phases: aside,
    readers: 'may be gone',
    async perform(database, { schema }) {
      await setAside(database, {
        reading: [`${schema}.t`],
        dryRun: false,
        requestedBy: 'faults',
        huntMs: 15_000,
      })
      const { misfits } = await putBack(database, {
        given: [],
        forgotten: [],
        dryRun: false,
        requestedBy: 'faults',
      })
      return misfits.length === 0 ? 'done' : 'misfits'
    },
  },
} as const satisfies Record<string, Way>

export type WayName = keyof typeof ways
export const wayNames = Object.keys(ways) as WayName[]
export const wayOf = (name: WayName): Way => ways[name]
