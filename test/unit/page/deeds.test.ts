import { expect, test } from 'vitest'
import { deeds } from '../../../page/deeds.ts'
import { Problem } from '../../../src/words/problem.ts'
import { type Answers, fakeApi } from '../../page/support/fake-api.ts'

const choose = (answers: Answers, deed: string, views: string[]) =>
  deeds.chosen!(fakeApi(answers), { get: (name) => (name === 'deed' ? deed : undefined), views })

test('a choice of nothing does nothing, and says so', async () => {
  const asked: string[] = []
  const answers: Answers = ({ path }) => ({ path: asked.push(path) })
  for (const deed of ['refresh', 'pause', 'resume'])
    expect(await choose(answers, deed, [])).toEqual({ said: 'No view is chosen', bad: true })
  expect(asked).toEqual([])
})

test('a pause of several that fails midway says how many are paused', async () => {
  const answers: Answers = ({ path }) =>
    path.includes('/c/') ? new Problem('UnknownView', 'c is not a materialized view.') : {}
  await expect(choose(answers, 'pause', ['a', 'b', 'c', 'd'])).rejects.toMatchObject({
    code: 'UnknownView',
    message: 'c is not a materialized view. 2 views are paused, of 4.',
  })
  expect(await choose(answers, 'resume', ['a'])).toEqual({ said: '1 view is refreshed again' })
})

test('what a check found is told with its rows, and is bad unless it only warns', async () => {
  const check = (rows: number) => ({ name: 'no_gaps', rows, error: null })
  const made = (rows: number, passes: boolean) =>
    deeds.check!(
      fakeApi(() => ({ passes, checks: [check(rows)] })),
      { get: () => undefined, views: ['sales'] },
    )
  expect(await made(0, true)).toEqual({ said: 'sales: 1 check found nothing' })
  expect(await made(3, true)).toEqual({ said: 'sales: no_gaps: 3 rows' })
  expect(await made(3, false)).toEqual({ said: 'sales: no_gaps: 3 rows', bad: true })
})
