import { expect, test } from 'vitest'
import { viewArgument } from '../../../src/words/commands.ts'

test.each([
  [{ schema: 'public', name: 'sales' }, undefined, 'sales'],
  [{ schema: 'app', name: 'sales' }, 'sold', 'app.sales=app.sold'],
  [{ schema: 'app', name: 'Sales' }, undefined, `'app."Sales"'`],
  [{ schema: 'public', name: 'Sales' }, 'Sold', `'"Sales"="Sold"'`],
])('%j is an argument that a shell passes on as it is', (view, newName, expected) => {
  expect(viewArgument(view, newName)).toBe(expected)
})
