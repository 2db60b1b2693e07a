import { expect, test } from 'vitest'
import { watchSilence } from '../../../serve/start/run.ts'

function hear(looks: boolean[]): string[] {
  const told: string[] = []
  const heard = watchSilence((lines) => told.push(lines.join('\n')))
  for (const succeeded of looks) heard(succeeded)
  return told
}

test('a monitor that nobody calls is told as the mail of silent-monitor, once', () => {
  const told = hear([false, false, false, false])
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(
    /ALARM: "viewkeeper-local-silent-monitor"\n +The monitor has published nothing, twice: .* First: aws logs/,
  )
})

test('a monitor that fails twice is told, and when it works again; one failure is not', () => {
  const told = hear([false, true, false, false, false, true])
  expect(told.map((text) => /ALARM|OK/.exec(text)?.[0])).toEqual(['ALARM', 'OK'])
})
