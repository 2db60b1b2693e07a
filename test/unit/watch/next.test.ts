import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HeldLock, RunFacts } from '../../../src/record/plan/watch.ts'
import { tellWrong } from '../../../src/record/plan/wrong-slices.ts'
import { whyOf } from '../../../src/watch/diagnosis/diagnose.ts'
import { judgeFound, noViews } from '../../../src/watch/plan/judge.ts'
import { aimed, command, isCommand, newLog } from '../../../src/words/commands.ts'
import { displayName } from '../../../src/words/names.ts'
import { examined } from '../../support/views/examined.ts'

// People paste what stands behind `next`. Whatever names and messages say, it has our words, and theirs only as quoted.

const evil = fc.string({
  minLength: 1,
  maxLength: 9,
  unit: fc.constantFrom(
    ...[
      ': alter table EVIL owner to EVIL;--',
      'To see them: EVIL',
      ': viewkeeper drop EVIL',
      ' --env EVIL',
      ' --url EVIL ',
    ],
    ...[
      ' EVIL',
      '"',
      "'",
      '\\',
      '$(EVIL)',
      '`EVIL`',
      '\n  EVIL;',
      ' has to run:\n  EVIL;',
      '; EVIL',
      '.',
      '*/',
      '$$',
      '%',
    ],
  ),
})

const at = new Date('2026-11-20T09:00:00Z')
const around = { now: at, clock: String, typed: 'production', allPaused: null }

/** What is left of a command line or of SQL without what is quoted. */
const bare = (next: string): string =>
  next
    .replace(/"\$\(printf '[^']*'\)"/g, '')
    .replace(next.startsWith('viewkeeper ') ? /'[^']*'|\\'/g : /'(?:[^']|'')*'|"(?:[^"]|"")*"/g, '')

const nextOf = (word: string) => {
  const name = displayName({ schema: 'sx', name: word })
  const failed = (error: Partial<RunFacts['error']>): RunFacts => ({
    ...{
      id: 7,
      operation: 'refresh',
      status: 'failed',
      batchId: null,
      requestedAt: at,
      notBefore: null,
      finishedAt: at,
    },
    ...{ strategy: 'swap', because: word, batchCanceled: false },
    error: { class: 'ViewSqlFailed', sqlstate: '22012', message: word, detail: word, hint: word, ...error },
  })
  const lock: HeldLock = {
    ...{
      pid: 4711,
      role: word,
      application: word,
      state: word,
      since: at,
      mode: 'AccessShareLock',
      relation: word,
    },
    ...{ statement: word, end: 'select pg_terminate_backend(4711);', endBy: word },
  }
  const hidden = { pid: null, gid: word, since: at, role: word, application: word, state: word }
  const uncounted = { because: null, grant: null, countsOff: false, counting: null, hidden }
  const view = (more: Parameters<typeof examined>[1]) =>
    examined('sx.m', { view: name, name: word, gone: word, outside: word, uncounted, locks: [lock], ...more })
  const views = [
    view({ runs: [failed({})] }),
    ...['', 'viewkeeper diff '].map((before) =>
      view({ runs: [failed({ class: 'CheckFailed', hint: `To see them: ${before}${word}` })] }),
    ),
    view({ unusedLog: { because: word } }),
    view({ populated: false, heldBackBy: word, stale: true, lastSuccessAt: at, asOf: at, locks: [] }),
    view({ missing: true }),
    view({ aside: { by: word, since: at } }),
    view({
      heldBackBy: name.replace('sx', 'sy'),
      stale: true,
      lastSuccessAt: new Date('2026-11-21'),
      asOf: at,
    }),
    view({
      lagWorksMs: 9000,
      targetLagSeconds: 1,
      planned: { followed: { owner: word, asker: word } },
    } as never),
    view({ scheduled: false, stale: true }),
  ]
  const causes = views.flatMap((each) =>
    whyOf(each, [examined('sx.base', { view: name, runs: [failed({})] })], () => [name], around),
  )
  const judged = judgeFound(
    [],
    {
      slow: [{ id: 7, view: name, durationMs: 9, usualMs: 1, changed: [['index', word, word]] }],
      waits: [],
      wrong: [tellWrong({ view: name, run: 7, wrong: 1, compared: 2 })],
      lost: [],
      steps: [{ step: 'parts', since: at, error: word }],
      batches: [{ id: word, finishedAt: at, error: { class: 'BatchLost', sqlstate: null, message: word } }],
      channels: [{ channel: word, since: at, error: word }],
      unheard: [],
    },
    { ...noViews, typed: null },
  )
  const all = [...causes, ...[...judged.values()].map(({ cause }) => cause)].flatMap(({ next }) => next ?? [])
  return [...all, newLog(name), ...all.map((next) => aimed(next, 'staging'))]
}

test('has no word of a hostile name or message outside of quotes', () => {
  fc.assert(
    fc.property(evil, (word) => {
      const told = nextOf(word)
      expect(told.length).toBeGreaterThan(15)
      for (const next of told) {
        expect(bare(next), next).not.toMatch(/EVIL|--[^\w]|\$\(|`|\n/)
        expect(bare(next), next).toMatch(
          /^(viewkeeper|grant|select pg_terminate_backend|rollback prepared)\b/,
        )
      }
    }),
    { numRuns: 300 },
  )
})

test('gets the target of its reader, whatever a name has of a target', () => {
  const line = command(['why', `sx."it's --env prod"`], null)
  expect(aimed(line, 'staging')).toBe(`${line} --env staging`)
  expect(aimed(`${line} --env test`, 'staging')).toBe(`${line} --env test`)
  expect(isCommand(`${line} --env test`, ['why', `sx."it's --env prod"`])).toBe(true)
})
