import { expect, test } from 'vitest'
import { insistOnConnections } from '../../../infra/database/database.ts'
import { created, imported, parse } from '../support/environments.ts'
import { createStack, kinds, Synthesized } from '../support/synth.ts'

const environmentOf = ({ database = {}, ...more }: { database?: object; batchConcurrency?: number }) => ({
  ...created,
  ...more,
  database: { ...created.database, ...database } as typeof created.database,
})
const insist = (options: Parameters<typeof environmentOf>[0]) =>
  insistOnConnections('test', parse(environmentOf(options)))
const limitOf = (stack: Synthesized, name: string) =>
  stack.fn(name)[1].Properties.Environment.Variables.CONNECTION_LIMIT

test('migrate is told how many connections the role may open, if the environment says so', () => {
  const stack = new Synthesized(createStack(environmentOf({ database: { connectionLimit: 30 } })))
  expect(limitOf(stack, 'migrate')).toBe('30')
  expect(limitOf(stack, 'refresh')).toBeUndefined()
  for (const kind of ['created', 'imported'] as const) expect(limitOf(kinds[kind], 'migrate')).toBeUndefined()
})

test.each([
  [
    'half of a small server',
    { batchConcurrency: 52 },
    { batchConcurrency: 53 },
    /57 .* 56 \(half of what a t4g.micro/,
  ],
  [
    'a limit',
    { batchConcurrency: 6, database: { connectionLimit: 10 } },
    { batchConcurrency: 7, database: { connectionLimit: 10 } },
    /opens 11 connections, .* may open 10 \(database.connectionLimit\)/,
  ],
])('a batch that does not fit into %s is refused, with the numbers', (_, fits, tooMany, message) => {
  expect(() => insist(fits)).not.toThrow()
  expect(() => insist(tooMany)).toThrow(message)
  expect(() => insist(tooMany)).toThrow('test.batchConcurrency: ')
})

test('a limit that leaves no connection to others is refused', () => {
  const limit = (connectionLimit: number) => insist({ database: { connectionLimit } })
  expect(() => limit(111)).not.toThrow()
  expect(() => limit(112)).toThrow(/connectionLimit: .* 112 in all/)
})

test('a stack of an environment that does not fit is not made', () => {
  expect(() => createStack(environmentOf({ batchConcurrency: 64 }))).toThrow(/batchConcurrency: .* 68 conn/)
})

test('nothing is refused of a class that is not known, nor of an imported database', () => {
  expect(() => insist({ batchConcurrency: 64, database: { instanceType: 'u9z.large' } })).not.toThrow()
  expect(() => insistOnConnections('test', parse({ ...imported, batchConcurrency: 64 }))).not.toThrow()
})

test('an imported database has no such field: create-role sets its limit', () => {
  const database = { ...imported.database, connectionLimit: 20 }
  expect(() => parse({ ...imported, database } as never)).toThrow('connectionLimit: unknown field')
})
