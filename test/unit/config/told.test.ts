import { expect, test } from 'vitest'
import * as z from 'zod'
import { told } from '../../../src/config/fields.ts'

test('a field with two texts is refused: the docs would say the second one of both', () => {
  const field = told(z.string(), 'first')
  expect(() => told(field, 'second')).toThrow('The field that says "first" may not also say "second".')
  expect(() => told(field.optional(), 'second')).not.toThrow()
})
