import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { expect } from 'vitest'
import { connectionOf } from '../../../src/api/lambda/login.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { Problem } from '../../../src/words/problem.ts'
import { updateRows } from '../../support/record/rows.ts'
import { callOn, readersOf } from '../../support/servers/database.ts'
import { major } from '../../support/servers/test-server.ts'
import { holdLocks } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import type { Struck } from './struck.ts'
import { type Phase, type WayName, wayOf } from './ways.ts'
import { keeper, password, type World } from './world.ts'

/** Something that goes wrong. */
export interface Fault {
  /** A process of its own goes the way, with a clock that is wrong by so much. */
  process?: { wrongMs: number }
  /** A copy of `viewkeeper serve` is asked to go the way. Another one settles what it leaves. */
  served?: true
  /** Sessions of readers break, too. */
  breaksReaders?: true
  /** A batch may have to fill the views of a group one after the other. */
  mayPart?: true
  /** Begins before the way, and is over after it: it has no phase. */
  throughout?: true
  /** An answer never comes, so the call ends by its time. Without it a call waits for its answer, however slow the machine is. */
  endsByItsTime?: true
  /** It takes long, or strikes many ways alike: a short run has it in every third way only. */
  takesLong?: true
  /** Where it can strike; everywhere, if it does not say. */
  strikes?(way: WayName, phase: Phase): boolean
  /** Before the way begins. */
  prepare?(struck: Struck): Promise<Mend>
  /** While the way stands in the phase; `throughout`: before it begins. May give what mends it. */
  strike(struck: Struck): Promise<unknown>
  /** When it is over. */
  until?: 'the client ends' | 'the server has done its part'
}

type Mend = () => Promise<unknown>

const inRun = (way: WayName) => !['alter', 'set aside and put back'].includes(way)
const byKey = (way: WayName) => inRun(way) && way !== 'migrate' && way !== 'left out'
const nothing = async () => {}

/** Sends a signal to a process of the server, by default to one of a session, and waits until all sessions have ended. */
async function endSessions(world: World, signal: NodeJS.Signals, pid?: number): Promise<void> {
  const other = postgres(world.url, { max: 1, onnotice: () => {} })
  const [own] = await other<[{ pid: number }]>`select pg_backend_pid() as pid`
  const ended = other`select pg_sleep(60)`.execute().catch(() => {})
  process.kill(pid ?? own.pid, signal)
  await ended
  await other.end({ timeout: 0 })
}

/** Restarts the server: fast (SIGINT), immediately (SIGQUIT), or because a session was killed (SIGKILL). */
export async function restart(world: World, signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
  await endSessions(world, signal, signal === 'SIGKILL' ? undefined : world.postmaster())
  await world.backAgain()
}

/** A signal that ends every session of the server. */
const crash = (signal: NodeJS.Signals, whom: (struck: Struck) => number): Fault => ({
  breaksReaders: true,
  async strike(struck) {
    await endSessions(struck.world, signal, whom(struck))
    return () => struck.world.backAgain()
  },
  until: 'the client ends',
})

const raised = (sqlstate: string): Fault => ({
  async strike({ world: { sql } }) {
    await sql`insert into gates.raised values (${sqlstate})`
    return () => sql`delete from gates.raised`
  },
  until: 'the client ends',
  strikes: (_, phase) => phase !== 'locking',
})

const signaled = (...calls: ('pg_terminate_backend' | 'pg_cancel_backend')[]): Fault => ({
  async strike({ world: { sql }, pid }) {
    for (const call of calls) await sql.unsafe(`select ${call}(${pid}), pg_sleep(0.02)`)
  },
})

/** What strikes a copy of `viewkeeper serve` that was asked over HTTP. */
const served = {
  served: true,
  takesLong: true,
  strikes: byKey,
  until: 'the server has done its part',
} as const

const wrongClock = (wrongMs: number): Fault => ({ process: { wrongMs }, throughout: true, strike: nothing })

/** What may stand in a secret instead of a login, over and over. */
function* malformed(): Generator<string, never> {
  for (;;) {
    yield* [
      '',
      'null',
      '[]',
      '"keeper"',
      '{"username":"keeper"',
      '{"username":"keeper"}',
      '{"password":"secret"}',
    ]
    yield* [
      '{"username":1,"password":2}',
      '{"username":"","password":""}',
      '{"username":"keeper","password":null}',
    ]
  }
}

/** Settings that a role may bring along. */
const timeOuts = {
  statement_timeout: '150ms',
  lock_timeout: '50ms',
  idle_in_transaction_session_timeout: '150ms',
  idle_session_timeout: '50ms',
  ...(major >= 17 && { transaction_timeout: '150ms' }),
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
}

const faults = {
  'the client is killed (-9)': {
    process: { wrongMs: 0 },
    strike: async ({ client }) => client.signal('SIGKILL'),
  },
  'the function freezes, and its time is over': {
    process: { wrongMs: 0 },
    async strike({ client }) {
      client.signal('SIGSTOP')
      return async () => client.signal('SIGKILL')
    },
    until: 'the server has done its part',
  },
  'serve is killed (-9)': { ...served, strike: async ({ client }) => client.signal('SIGKILL') },
  'serve freezes, and wakes when another copy leads': {
    ...served,
    async strike({ client, another }) {
      client.signal('SIGSTOP')
      return async () => {
        await another(/^leads/)
        client.signal('SIGCONT')
      }
    },
  },
  'serve loses its connections': { ...served, strike: async ({ world: { network } }) => network.cut() },
  'the network cuts connections': { strike: async ({ world: { network } }) => network.cut() },
  'the network stalls': {
    async strike({ world: { network } }) {
      network.stall()
      return async () => network.mend()
    },
    until: 'the server has done its part',
  },
  'the network loses everything': {
    endsByItsTime: true,
    async strike({ world: { network } }) {
      network.blackHole()
      return async () => network.mend()
    },
    until: 'the server has done its part',
  },
  'the network is slow': {
    throughout: true,
    async strike({ world: { network } }) {
      network.delay(20)
      return async () => network.mend()
    },
    until: 'the client ends',
  },
  pg_terminate_backend: signaled('pg_terminate_backend'),
  pg_cancel_backend: signaled('pg_cancel_backend'),
  'pg_cancel_backend, twice': signaled('pg_cancel_backend', 'pg_cancel_backend'),
  'the server process is killed (-9)': crash('SIGKILL', ({ pid }) => pid),
  'the server restarts (fast)': crash('SIGINT', ({ world }) => world.postmaster()),
  'the server restarts (immediate)': crash('SIGQUIT', ({ world }) => world.postmaster()),
  'a standby is promoted': {
    breaksReaders: true,
    takesLong: true,
    async prepare(struck) {
      const { failOver, giveUp } = await struck.world.makeStandby()
      struck.failOver = failOver
      return giveUp
    },
    strike: ({ failOver }) => failOver(),
    until: 'the client ends',
  },
  'the password is rotated': {
    async strike({ world: { sql }, credentials }) {
      await sql.unsafe(`alter role ${keeper} password 'another'`)
      credentials.fresh = async () => 'another'
      return async () => {
        await sql.unsafe(`alter role ${keeper} password '${password}'`)
      }
    },
    until: 'the client ends',
  },
  'the secret is gone': {
    async strike({ credentials }) {
      credentials.now = credentials.fresh = async () => {
        throw new Problem('CredentialsRefused', 'The secret is gone.')
      }
    },
  },
  'the secret is malformed': {
    async strike({ credentials }) {
      const texts = malformed()
      credentials.now = credentials.fresh = async () =>
        (await connectionOf(texts.next().value, { DATABASE_HOST: '127.0.0.1', DATABASE_CA: 'PEM' })).password
    },
  },
  'the disk is full': raised('53100'),
  'the disk is filled': {
    breaksReaders: true,
    takesLong: true,
    async strike({ world }) {
      await world.disk?.fill()
      return async () => {
        await world.disk?.free()
        await world.backAgain()
      }
    },
    until: 'the client ends',
  },
  'memory is exhausted': raised('53200'),
  'the limit of temporary files is met': {
    throughout: true,
    async strike({ world: { sql }, scene: { schema } }) {
      await sql.unsafe(`
        insert into ${schema}.spill select md5(i::text) from generate_series(1, 20000) i;
        alter role ${keeper} set temp_file_limit = 100; alter role ${keeper} set work_mem = '64kB'`)
      return () => sql.unsafe(`truncate ${schema}.spill; alter role ${keeper} reset all`)
    },
    until: 'the client ends',
  },
  'all slots are taken': {
    breaksReaders: true,
    async strike({ world: { url } }) {
      const here = new URL(url)
      here.username = keeper
      here.password = password
      const taken = postgres(here.href, {
        max: 60,
        idle_timeout: 0,
        connection: { application_name: 'a crowd' },
      })
      await Promise.allSettled(Array.from({ length: 60 }, () => taken`select pg_sleep(0.05)`))
      return () => taken.end({ timeout: 0 })
    },
    until: 'the client ends',
  },
  'a lock is held for long': {
    throughout: true,
    async strike({ world: { sql, url }, scene: { schema }, lock }) {
      await updateRows(sql, 'definitions', { schemaName: schema }, { timeoutSeconds: 2 })
      const holder = await holdLocks(url, lock)
      return () => holder.letGo()
    },
    until: 'the client ends',
  },
  "the role's time-outs": {
    async prepare({ world: { sql } }) {
      for (const [name, value] of Object.entries(timeOuts))
        await sql.unsafe(`alter role ${keeper} set ${name} = '${value}'`)
      return () => sql.unsafe(`alter role ${keeper} reset all`)
    },
    // Longer than each of them.
    strike: async ({ world: { sql } }) => void (await sql`select pg_sleep(0.4)`),
    until: 'the client ends',
  },
  'the clock of the caller is an hour ahead': wrongClock(3_600_000),
  'the clock of the caller is an hour behind': wrongClock(-3_600_000),
  'the request comes three times': {
    strikes: byKey,
    async strike({ again, call, world: { sql } }) {
      const others = [again(), again()]
      return async () => {
        const late = await again()
        const told = new Set(await Promise.all([...others, late]))
        expect([...told]).toHaveLength(1)
        const same = await sql`
          select id::text from viewkeeper.runs where idempotency_key = ${call.idempotencyKey}
          union all select id::text from viewkeeper.batches where idempotency_key = ${call.idempotencyKey}`
        expect(same).toHaveLength(1)
      }
    },
    until: 'the client ends',
  },
  'one key comes with another request': {
    strikes: byKey,
    async strike({ database, call, scene: { schema }, wayName }) {
      const other = callOn(database, { ...call, requestedBy: 'faults' })
      const problem = await refusalOf(
        wayName.startsWith('batch')
          ? startBatch({ views: [`${schema}.base`], concurrency: 7 }, other)
          : refresh({ view: `${schema}.base`, timeoutSeconds: 77 }, other),
      )
      expect(problem.code).toBe('IdempotencyKeyReused')
    },
  },
  'readers read in the other order': {
    takesLong: true,
    // As usual, so that the exchange gives up long before the server ends a session, on a busy machine, too.
    async prepare({ world: { sql } }) {
      await sql.unsafe(`alter role ${keeper} set deadlock_timeout = '1s'`)
      return () => sql.unsafe(`alter role ${keeper} reset deadlock_timeout`)
    },
    async strike({ world: { url }, scene: { schema }, wayName }) {
      const { views, readers } = wayOf(wayName)
      const sql = readersOf(url)
      const errors = new Set<string>()
      let goesOn = true
      const read = async () => {
        while (goesOn) {
          await sql
            .begin(async (part) => {
              for (const view of ['plain', ...views].toReversed()) {
                await part.unsafe(`select from ${schema}.${view}`)
                await part`select pg_sleep(0.02)`
              }
            })
            .catch(({ code, message }) => {
              if (readers !== 'may be gone' || code !== '42P01') errors.add(`${code}: ${message}`)
            })
          await pause(50)
        }
      }
      const reading = read()
      return async () => {
        goesOn = false
        await reading
        await sql.end()
        expect([...errors]).toEqual([])
      }
    },
    until: 'the client ends',
  },
  'somebody changes everything': {
    async strike({ world: { url }, scene: { schema }, kept }) {
      const others = postgres(url, { max: 5, onnotice: () => {}, connection: { lock_timeout: 20_000 } })
      const changes = [
        `comment on materialized view ${schema}.base is 'changed'`,
        `grant update on ${schema}.base to pg_monitor`,
        `create index on ${schema}.base (n)`,
        `alter table ${schema}.t add column more integer`,
        `comment on index ${schema}.base_key is 'changed'`,
      ].map((change) => others.unsafe(change))
      const ended = Promise.allSettled(changes)
      return async () => {
        await ended
        await others.end()
        kept.changed = true
      }
    },
    until: 'the client ends',
  },
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
export const faultOf = (name: string): Fault => faults[name as FaultName]
