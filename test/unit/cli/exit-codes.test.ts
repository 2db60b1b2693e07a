import { expect, onTestFinished, test } from 'vitest'
import { ApiUnavailable } from '../../../cli/api/api.ts'
import { exitCodeOf, problemLines } from '../../../cli/output/terminal.ts'
import { Problem } from '../../../src/words/problem.ts'

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
  [{ runningRunId: 7 }, 'viewkeeper runs 7 --watch --env production'],
  [{ openBatchId: 'b' }, 'viewkeeper batches b --watch --env production'],
  [{ runId: 7 }, 'viewkeeper runs 7 --env production'],
  [{ batchId: 'b' }, 'viewkeeper batches b --env production'],
])('a problem with %j says what to type', (details, next) => {
  const problem = new Problem('AlreadyRunning', 'It runs.', details)
  expect(problemLines(problem, { typed: 'production' })).toEqual(['viewkeeper: It runs.', `  next: ${next}`])
  expect(problemLines(problem, null)).toEqual(['viewkeeper: It runs.'])
})

test('a line of SQL to type stays whole on a narrow terminal', () => {
  const columns = Object.getOwnPropertyDescriptor(process.stderr, 'columns')
  Object.defineProperty(process.stderr, 'columns', { value: 40, configurable: true })
  onTestFinished(() => void Object.defineProperty(process.stderr, 'columns', columns ?? { value: undefined }))
  const grant = '  grant select on shop.orders to a_role_with_a_long_name;'
  const problem = new Problem(
    'InsufficientPrivilege',
    `A right on shop.orders is missing, as it says.\n\nboss has to run:\n${grant}`,
  )
  expect(problemLines(problem, null)).toEqual([
    'viewkeeper: A right on shop.orders is',
    'missing, as it says.',
    '',
    'boss has to run:',
    grant,
  ])
})
