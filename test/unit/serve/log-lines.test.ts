import { expect, test, vi } from 'vitest'
import { terminalLogger } from '../../../serve/process.ts'

test('a line at a terminal has the fields that are given, without those that are not', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    terminalLogger({}).logger.error('run ended', {
      runId: 8,
      error: undefined,
      checks: null,
      view: 'public.slow',
    })
    expect(write.mock.calls[0]![0]).toMatch(
      /^ {2}[0-9:]{8} ERROR run ended {3}runId 8 {3}checks null {3}view public\.slow\n$/,
    )
  } finally {
    write.mockRestore()
  }
})
