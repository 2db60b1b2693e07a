import { expect, onTestFinished, test, vi } from 'vitest'
import { startMonitor } from '../../../src/keeper/monitor.ts'

function watched(look: () => Promise<unknown>, isStopped: boolean) {
  const told: string[] = []
  const looking = vi.fn(look)
  const stop = startMonitor(looking, async () => undefined, {
    isStopped,
    everyMs: 1,
    tell: (lines) => told.push(lines.join('\n')),
  })
  onTestFinished(stop)
  return { told, looking }
}

test('a monitor that nobody calls is told as the mail of silent-monitor, once', async () => {
  const { told, looking } = watched(async () => ({ due: 0 }), true)
  await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 30_000 })
  expect(told[0]).toMatch(
    /ALARM: "viewkeeper-local-silent-monitor"\n +The monitor has published nothing, twice: .* First: aws logs/,
  )
  expect(looking).not.toHaveBeenCalled()
})

test('a monitor that fails twice is told, and when it works again; one failure is not', async () => {
  vi.spyOn(console, 'error').mockReturnValue()
  const answers = [false, true, false, false, false, true]
  const { told } = watched(async () => {
    if (answers.shift() === false) throw new Error('no database')
    return { due: 0 }
  }, false)
  await vi.waitFor(() => expect(told).toHaveLength(2), { timeout: 30_000 })
  expect(answers).toEqual([])
  expect(told.map((text) => /ALARM|OK/.exec(text)?.[0])).toEqual(['ALARM', 'OK'])
})
