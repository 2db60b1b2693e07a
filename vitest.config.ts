import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { soaks } from './test/support/counts.ts'
import { LongestFirst } from './test/support/sequencer.ts'
import { hangsMs } from './test/support/waiting/until.ts'

// Definitions and the configuration import the package by its name: here that is its source, and not what was built of it.
const sourceAt = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const resolve = {
  alias: { 'viewkeeper/cdk': sourceAt('infra/index.ts'), viewkeeper: sourceAt('src/index.ts') },
}

// All that tests write is gone with the test run. The servers write many small files: in memory, if there is room, that takes
// a third less of the system's time.
const scratch = mkdtempSync(join(freeBytes('/dev/shm') > 4e9 ? '/dev/shm' : tmpdir(), 'viewkeeper-tests-'))
process.env.TMPDIR = scratch
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

// Compiling takes most of a command's time: what one process has compiled, the next ones need not.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('node_modules/.cache/viewkeeper/compiled', import.meta.url),
)

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0 // only Linux has this folder
  }
}

/**
 * Limits end a test that hangs, and nothing else: a busy machine is up to twenty times slower than a quiet one, on which the
 * longest test takes half a minute. Before them, `until` ends and says what it has waited for. A soak repeats more.
 */
const limits = (seconds: number) => ({
  testTimeout: seconds * (soaks ? 8 : 1) * 1000,
  hookTimeout: hangsMs,
  expect: { poll: { timeout: hangsMs } },
})

/**
 * Tests of what no version of PostgreSQL changes: HTTP, the monitor's words, a batch's turns, who leads, connections, journals.
 * For a change they run on the newest major only; each night, as everything does, on every major.
 */
const sameOnEveryMajor = [
  'batch/{cancel,coinciding,connections,due,functions,nothing,one-after-another,open,outage,start,turn}',
  'catalog/{next-run}',
  'events/{examples,send,stream}',
  'keeper/{engine,keep-fresh,lead,programs}',
  'migrate/{away,misread,old-history,records,without-views}',
  'own-schema/{docs,words}',
  'run/{functions}',
  'run/record/{bounded-errors,messages}',
  'serve/{metrics,news,tokens}',
  'server/{awake,bounded,broken-connections,connect,iam,large-answers,many-callers,rotate}',
  'watch/{actions,after-an-outage,copies,failed-runs,first-deploy,incidents,last-ends,many-monitors,metrics,monitor,pause,plan,prune,refusals,staleness,telling}',
].map((file) => `test/database/${file}.test.ts`)
const { POSTGRES = '18' } = process.env

const isShuffled = process.argv.some((argument) => argument.startsWith('--sequence.shuffle'))

/** Tests that need programs which npm's servers lack, such as pg_dump: they run on the server of a distribution. */
const ofDistributions = 'test/database/distribution/**'

export default defineConfig({
  test: {
    // Tests wait for servers and processes half of their time, so more workers than cores keep the cores busy.
    maxWorkers: 4,
    // Vitest takes a sequencer that is named here even if files are to be shuffled.
    sequence: isShuffled ? {} : { sequencer: LongestFirst },
    // A test says itself that it is deep, and a file by `@module-tag deep`. `npm test` leaves them out, part `deep` of .ci/run has
    // nothing else, and a project that is run by its name has all.
    tags: [
      {
        name: 'deep',
        description:
          'Repeats at length what a quick test promises: whole matrices of queries, settings and strategies, races, kills at any moment, hostile neighbours, generated views, a second door to what the database has shown, and journeys of many commands.',
      },
    ],
    reporters: ['default', './test/support/evidence/reporter.ts'],
    // Without `isolate`, files share workers and what these have loaded: a file puts back what it changes in the process.
    projects: [
      {
        resolve,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: 'test/support/property-runs.ts',
          isolate: false,
          ...limits(300),
        },
      },
      {
        resolve,
        test: {
          name: 'database',
          include: ['test/database/**/*.test.ts'],
          exclude: [
            ...(POSTGRES !== '18' && !soaks ? sameOnEveryMajor : []),
            ...(POSTGRES.includes('/') ? [] : [ofDistributions]),
          ],
          globalSetup: 'test/support/servers/server.ts',
          // With this variable Powertools writes to the global console, which a test can spy on.
          // Nothing is refreshed by the clock unless a test says so.
          env: { POWERTOOLS_DEV: 'true', POWERTOOLS_METRICS_DISABLED: 'false', SCHEDULES: 'false' },
          isolate: false,
          ...limits(1800),
        },
      },
      // Views of PostGIS and others, for which a distribution has packages and npm has none.
      ...(POSTGRES.includes('/')
        ? [
            {
              resolve,
              test: {
                name: 'extensions',
                include: ['test/extensions/**/*.test.ts'],
                globalSetup: 'test/support/servers/server.ts',
                isolate: false,
                ...limits(1800),
              },
            },
          ]
        : []),
      {
        resolve,
        test: {
          name: 'infra',
          include: ['test/infra/**/*.test.ts'],
          globalSetup: 'test/infra/support/bundles.ts',
          isolate: false,
          ...limits(1800),
        },
      },
      {
        resolve,
        test: {
          name: 'end-to-end',
          include: ['test/end-to-end/**/*.test.ts'],
          ...limits(1800),
        },
      },
      {
        resolve,
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: 'test/faults/support/begin.ts',
          isolate: false,
          ...limits(1800),
        },
      },
      {
        resolve,
        test: {
          name: 'page',
          include: ['test/page/**/*.test.ts'],
          globalSetup: 'test/support/servers/server.ts',
          env: { LOG_LEVEL: 'WARN' },
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          ...limits(1800),
        },
      },
    ],
  },
})
