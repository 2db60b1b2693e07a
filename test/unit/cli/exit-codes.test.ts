import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ApiUnavailable } from '../../../cli/api/unavailable.ts'
import { exitCodeOf } from '../../../cli/output/exit-codes.ts'
import { problemLines } from '../../../cli/output/problem.ts'
import { runbookOf } from '../../../cli/output/runbook.ts'
import { Problem, problemCodes } from '../../../src/problem.ts'

test.each([
  [new Problem('UnknownView', 'no such view'), 2],
  [new Problem('InvalidRequest', 'wrong'), 2],
  [new Problem('InvalidRequest', 'a run failed', { runId: 7 }), 1],
  [new Problem('ViewSqlFailed', 'division by zero', { runId: 7 }), 1],
  [new Problem('Paused', 'paused'), 1],
  [new Problem('DatabaseUnavailable', 'away'), 3],
  [new ApiUnavailable('NoCredentials', 'expired'), 3],
  [new Error('a defect'), 1],
])('the exit code of %s is %d', (thrown, code) => {
  expect(exitCodeOf(thrown)).toBe(code)
})

test.each([
  [{ runningRunId: 7 }, 'viewkeeper run 7 --watch --env production'],
  [{ openBatchId: 'b' }, 'viewkeeper batch b --watch --env production'],
  [{ runId: 7 }, 'viewkeeper run 7 --env production'],
  [{ batchId: 'b' }, 'viewkeeper batch b --env production'],
])('a problem with %j says what to type', (details, next) => {
  const problem = new Problem('AlreadyRunning', 'It runs.', details)
  expect(problemLines(problem, { environment: 'production' })).toEqual([
    'viewkeeper: It runs.',
    `  next: ${next}`,
  ])
  expect(problemLines(problem, null)).toEqual(['viewkeeper: It runs.'])
})

test('each class of failures has its section in the runbook', () => {
  const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8')
  const headings = runbook.matchAll(/^#+ (.+)$/gm)
  const anchors = new Set(
    Array.from(headings, ([, title]) =>
      (title as string)
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
  const missing = problemCodes.filter((code) => !anchors.has(runbookOf(code).split('#')[1] as string))
  expect(missing).toEqual([])
})
