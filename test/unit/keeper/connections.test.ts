import { expect, test } from 'vitest'
import { makeTurns } from '../../../src/keeper/advancer.ts'

test('callers get turns in the order in which they came, and never more turns at once than there are', async () => {
  const turns = makeTurns(2)
  const order: number[] = []
  let atOnce = 0
  let most = 0
  const work = async (at: number) => {
    expect(await turns.take()).toBe(true)
    order.push(at)
    most = Math.max(most, ++atOnce)
    await Promise.resolve()
    atOnce--
    turns.end()
  }
  const all = Array.from({ length: 10 }, (_, at) => at)
  await Promise.all(all.map(work))
  expect(order).toEqual(all)
  expect(most).toBe(2)
})

test('a turn whose caller waits no more goes to the next caller', async () => {
  const turns = makeTurns(1)
  expect(await turns.take()).toBe(true)
  const impatient = turns.take(AbortSignal.timeout(1))
  const patient = turns.take()
  expect(await impatient).toBe(false)
  turns.end()
  expect(await patient).toBe(true)
  turns.end()
  expect(await turns.take()).toBe(true)
})
