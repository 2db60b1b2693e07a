import { expect, test } from 'vitest'
import { madeParts, readPage } from './support/docs.ts'

test.each(madeParts)('$name in $page are as npm run docs makes them', (part) => {
  const { written, made } = readPage(part)
  expect(written).toBe(made)
})
