import { expect, test } from 'vitest'
import { madeParts, readPage } from './support/docs.ts'

test.each(madeParts)('$page, part $name, is as npm run docs makes it', (part) => {
  const { written, made } = readPage(part)
  expect(written).toBe(made)
})
