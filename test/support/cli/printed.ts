import { vi } from 'vitest'

/** What is written to these streams from now on, until all mocks are restored. */
export function caught(...streams: NodeJS.WriteStream[]): { text: string } {
  const printed = { text: '' }
  for (const stream of streams)
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      printed.text += text
      return true
    })
  return printed
}
