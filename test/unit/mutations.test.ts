import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mutations } from '../mutate/mutations.ts'

// `npm run mutate` is for the night: a change that moves a rule has to move its mutation at once.
test.each(mutations)('$breaks: $file has what breaks that, once', ({ file, text, project, tests }) => {
  const at = (path: string) => new URL(`../../${path}`, import.meta.url)
  expect(readFileSync(at(file), 'utf8').split(text)).toHaveLength(2)
  expect(existsSync(at(`test/${project}/${tests}.test.ts`))).toBe(true)
})
