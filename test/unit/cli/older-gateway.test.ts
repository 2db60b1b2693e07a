import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type * as z from 'zod'
import { missingLines } from '../../../cli/api/other-version.ts'
import { type RouteName, routeAt, routes } from '../../../src/api/routes.ts'
import { Problem } from '../../../src/problem.ts'
import { version, versionHeader } from '../../../src/version.ts'
import { startApi } from '../../support/api/fake-api.ts'
import { caught } from '../../support/cli/printed.ts'
import { typed } from '../../support/cli/typed.ts'

let printed: { text: string }
beforeEach(() => {
  printed = caught(process.stdout)
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

const [id, batchId] = ['7', '20261120-090000-1f3c9a2b']

/** The commands that read the answers of the API, as far as they end by themselves. */
const commands = [
  ['actions'],
  ['actions', '-o', 'wide'],
  ['batches'],
  ['batch', batchId],
  ['cancel', batchId],
  ['cancel', id],
  ['create', 'sales', '--no-wait'],
  ['drop', 'sales', '--yes', '--no-wait'],
  ['graph'],
  ['graph', 'sales'],
  ['ls'],
  ['ls', '-o', 'wide', '--failed', '--stale'],
  ['metrics', 'sales'],
  ['pause', 'sales'],
  ['plan'],
  ['refresh', 'sales', '--no-wait'],
  ['refresh', 'sales', 'best', '--no-wait'],
  ['retry', id, '--no-wait'],
  ['run', id],
  ['run', id, '--sql'],
  ['runs'],
  ['runs', '-o', 'wide'],
  ['show', 'sales'],
  ['check', 'sales'],
  ['why', 'sales'],
].map((words) => [words.join(' '), words] as [string, [string, ...string[]]])

/** Without these, an answer is about nothing: every version has them. */
const always = [
  'id',
  'runId',
  'batchId',
  'view',
  'name',
  'status',
  'operation',
  'at',
  'from',
  'since',
  'requestedAt',
]

type Value = string | number | boolean | null | Value[] | { [field: string]: Value }

/** An answer with every field that the schema knows, one element in each list. */
function whole(schema: z.ZodType | z.core.$ZodType, field = ''): Value {
  // biome-ignore lint/suspicious/noExplicitAny: each kind of schema has fields of its own
  const def = (schema as z.ZodType).def as any
  if ('innerType' in def) return field === 'next' ? null : whole(def.innerType, field)
  if (def.type === 'array') return [whole(def.element, field)]
  if (def.type === 'object')
    return Object.fromEntries(
      Object.entries(def.shape as Record<string, z.ZodType>).map(([name, of]) => [name, whole(of, name)]),
    )
  if (def.type === 'enum')
    return field === 'status'
      ? 'failed'
      : field === 'operation'
        ? 'refresh'
        : (Object.values(def.entries)[0] as string)
  if (def.type === 'literal') return (def.values as Value[])[0] as Value
  if (def.type === 'record') return {}
  if (def.type === 'number') return 7
  if (def.type === 'boolean') return true
  if (def.format === 'datetime') return '2026-11-20T09:00:00.000Z'
  if (field === 'id' || field === 'batchId') return batchId
  return ['view', 'heldBackBy', 'dependsOn', 'neededBy'].includes(field) ? 'public.sales' : field
}

/** The places of all fields of an answer, also within others: `['views', 0, 'asOf']`. */
const placesIn = (value: Value, place: (string | number)[] = []): (string | number)[][] =>
  Array.isArray(value)
    ? value.flatMap((each, at) => placesIn(each, [...place, at]))
    : value === null || typeof value !== 'object'
      ? []
      : Object.entries(value).flatMap(([field, each]) => [
          [...place, field],
          ...placesIn(each, [...place, field]),
        ])

function without(value: Value, [first, ...rest]: (string | number)[]): Value {
  const copy = structuredClone(value) as Record<string | number, Value>
  if (rest.length === 0) delete copy[first as string]
  else copy[first as string] = without(copy[first as string] as Value, rest)
  return copy as Value
}

const schemas = Object.fromEntries(
  await Promise.all(Object.entries(routes).map(async ([name, { gives }]) => [name, await gives()])),
)
const answerOf = (name: RouteName) => whole(schemas[name] as never)
const nameOf = (method: string, url: string) => {
  const route = routeAt(method, url.split('?')[0] as string)
  return (Object.keys(routes) as RouteName[]).find((each) => routes[each] === route) as 'getView'
}

describe('a gateway that answers without a field, as an older one does', () => {
  test.each(commands)('%s', async (_, words) => {
    const asked = new Set<'getView'>()
    let lacking: { name: string; place: (string | number)[] } | undefined
    const { url } = await startApi(({ method, url }) => {
      const name = nameOf(method, url)
      asked.add(name)
      const body = answerOf(name)
      return {
        headers: { [versionHeader]: '0.0.1' },
        body: lacking?.name === name ? without(body, lacking.place) : body,
      }
    })
    const wrong: string[] = []
    const attempt = async () => {
      printed.text = ''
      const error = await typed(...words, '--url', url).catch((error) => error)
      if (error instanceof Error && !(error instanceof Problem)) return error.stack?.slice(0, 300)
      return /undefined|NaN|Invalid Date/.exec(printed.text)?.[0]
    }
    expect(await attempt()).toBe(undefined)
    expect(printed.text).not.toBe('')
    for (const name of asked)
      for (const place of placesIn(answerOf(name))) {
        if (always.includes(place.at(-1) as string)) continue
        lacking = { name, place }
        const why = await attempt()
        if (why !== undefined) wrong.push(`${name} without ${place.join('.')}: ${why}`)
      }
    expect(wrong).toEqual([])
  })

  test('has a line that names its version and what it does not say; one of our own version has none', async () => {
    const before = missingLines().length
    const of = (headers: Record<string, string>) =>
      startApi(({ method, url }) => ({ headers, body: without(answerOf(nameOf(method, url)), ['asOf']) }))
    await typed('show', 'sales', '--url', (await of({ [versionHeader]: version })).url).catch(() => {})
    expect(missingLines()).toHaveLength(before)
    const { url } = await of({ [versionHeader]: '0.0.9' })
    await typed('show', 'sales', '--url', url)
    expect(missingLines()).toContain(`${url} runs Viewkeeper 0.0.9, which does not say asOf: unknown here.\n`)
  })
})
