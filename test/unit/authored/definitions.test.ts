import { sql as drizzleSql, eq, inArray } from 'drizzle-orm'
import { integer, pgTable, QueryBuilder, text } from 'drizzle-orm/pg-core'
import fc from 'fast-check'
import {
  DummyDriver,
  Kysely,
  sql as kyselySql,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely'
import { describe, expect, test } from 'vitest'
import { checkViews } from '../../../src/authored/validate.ts'
import { type Definition, definitionDefaults } from '../../../src/catalog/plan/definition.ts'
import { defineView, type ViewInput } from '../../../src/index.ts'
import { everyField } from '../../support/views/frozen.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
/** The definition of a view that has no problems. */
async function define(input: Partial<ViewInput>): Promise<Definition> {
  const { definitions, problems } = await checkViews([defineView({ name: 'v', query: 'select 1', ...input })])
  expect(problems).toEqual([])
  return definitions[0]!.definition
}

const problemsOf = async (input: ViewInput) => (await checkViews([defineView(input)])).problems

describe('a definition', () => {
  test('has the default of each field that the author leaves out', async () => {
    const expected = { ...definitionDefaults, name: 'v', sql: 'select 1' }
    expect(await define({})).toEqual(expected)
    expect(await define({ schema: undefined, retries: undefined, grants: undefined })).toEqual(expected)
  })

  test('has what the author says', async () => {
    const { sql, targetLagSeconds: _, slices: _slices, ...said } = everyField
    expect(await define({ ...said, query: sql } as ViewInput)).toEqual({
      ...everyField,
      targetLagSeconds: null,
      slices: null,
    })
    // A table has no strategy but one, and the definition names another; and only a table has slices.
    const { storage: _storage, ...others } = definitionDefaults
    for (const [field, usual] of Object.entries(others))
      expect({ [field]: everyField[field as keyof Definition] }).not.toEqual({ [field]: usual })
    const { settings, dependsOn } = await define({
      settings: { work_mem: '256MB', jit: false, random_page_cost: 1.1 },
      dependsOn: ['public.other', 'public.other'],
    })
    expect(settings).toEqual({ work_mem: '256MB', jit: 'false', random_page_cost: '1.1' })
    expect(dependsOn).toEqual(['public.other'])
  })

  test('has no check that reads the old data by the name with its schema', async () => {
    const checks = { old: 'select from public.v' }
    expect(await problemsOf({ name: 'v', query: 'select 1', checks })).toMatchObject([
      { field: 'checks.old', message: expect.stringContaining('must name the view without its schema, "v"') },
    ])
  })

  test('may be as old as its target lag, unless it says more', async () => {
    expect(await define({ targetLagSeconds: 900 })).toMatchObject({
      targetLagSeconds: 900,
      maxStalenessSeconds: 900,
    })
    expect(await define({ targetLagSeconds: 60, maxStalenessSeconds: 90 })).toMatchObject({
      maxStalenessSeconds: 90,
    })
  })

  test('may be two minutes old if a change log tells when its target lag calls for a refresh', async () => {
    const kept = { storage: 'table', slices: { by: 'day' } } as const
    expect(await define({ ...kept, targetLagSeconds: 1 })).toMatchObject({
      targetLagSeconds: 1,
      maxStalenessSeconds: 120,
    })
    expect(await define({ ...kept, targetLagSeconds: 900 })).toMatchObject({ maxStalenessSeconds: 900 })
    expect(await define(kept)).toMatchObject({ maxStalenessSeconds: null })
    expect(await define({ storage: 'table', targetLagSeconds: 60 })).toMatchObject({
      maxStalenessSeconds: 60,
    })
  })

  test('has beside its slices what its live view shows where nobody knows what changed', async () => {
    const kept = { storage: 'table', slices: { by: 'day' } } as const
    expect(await define({ ...kept, live: true })).toMatchObject({ slices: { by: 'day', live: 'query' } })
    expect(await define({ ...kept, live: { otherwise: 'error' } })).toMatchObject({
      slices: { by: 'day', live: 'error' },
    })
    expect(await define(kept)).toMatchObject({ slices: { by: 'day' } })
  })

  test('is left out of everything if something else owns its clock, and may have a target lag', async () => {
    const outside = { schedule: 'none', timeZone: null, inAll: false }
    expect(await define({ schedule: 'none' })).toMatchObject(outside)
    expect(await define({ schedule: 'none', targetLagSeconds: 60, inAll: true })).toMatchObject({
      ...outside,
      targetLagSeconds: 60,
      inAll: true,
    })
  })

  test('that is refreshed on change is one whose unchanged refreshes are left out', async () => {
    const changing = await define({ targetLagSeconds: 60, onChange: true })
    expect(changing.skipUnchanged).toBe(true)
    expect(changing).not.toHaveProperty('onChange')
    expect((await define({ targetLagSeconds: 60, onChange: false })).skipUnchanged).toBeNull()
  })

  test.each(['UTC', 'Etc/UTC', 'US/Eastern', 'Europe/Berlin'])('has time zone %s', async (timeZone) => {
    expect((await define({ schedule: '0 6 29 2 *', timeZone })).timeZone).toBe(timeZone)
  })

  test('has privileges in lower case, each once; all replaces the others', async () => {
    const { grants } = await define({
      grants: [
        { privileges: ['SELECT', 'select', 'Maintain'], to: 'Reporting team' },
        { privileges: ['select', 'ALL'], to: 'public' },
        { privileges: ['select', 'update'], to: 'r', columns: ['a'], grantOption: true },
      ],
    })
    expect(grants).toEqual([
      { privileges: ['select', 'maintain'], to: 'Reporting team' },
      { privileges: ['all'], to: 'public' },
      { privileges: ['select', 'update'], to: 'r', columns: ['a'], grantOption: true },
    ])
  })
})

describe('indexes', () => {
  test('are written as in create index, the index of the key first', async () => {
    const { indexes } = await define({
      name: 'sales',
      strategy: 'concurrent',
      uniqueKey: ['day', 'odd "name"'],
      indexes: [
        { columns: ['day'] },
        { columns: ['tags'], using: 'gin', name: 'by_tags' },
        { columns: ['a', 'b'], unique: true, include: ['c', 'D'], where: ' a > 0\n' },
        { name: 'x_idx', unique: true, on: ' using btree (lower(a)) where b > 0\n' },
      ],
    })
    expect(indexes).toEqual([
      { name: 'sales_key', unique: true, on: '("day", "odd ""name""")' },
      { name: 'sales_day_idx', unique: false, on: '("day")' },
      { name: 'by_tags', unique: false, on: 'using gin ("tags")' },
      { name: 'sales_a_b_c_D_idx', unique: true, on: '("a", "b") include ("c", "D") where a > 0' },
      { name: 'x_idx', unique: true, on: 'using btree (lower(a)) where b > 0' },
    ])
  })

  test.each([
    { uniqueKey: ['a'] },
    { indexes: [{ columns: ['a'], unique: true }] },
    { indexes: [{ on: 'using btree (a, b) include (c)', name: 'i', unique: true }] },
  ])('%j allows a concurrent refresh', async (input) => {
    expect((await define({ ...input, strategy: 'concurrent' })).strategy).toBe('concurrent')
  })

  // What PostgreSQL 18 chose for these.
  test.each([
    ['v'.repeat(63), ['c'.repeat(63)], `${'v'.repeat(29)}_${'c'.repeat(29)}_idx`],
    ['v'.repeat(10), ['c'.repeat(63)], `${'v'.repeat(10)}_${'c'.repeat(48)}_idx`],
    ['v'.repeat(63), ['c'], `${'v'.repeat(57)}_c_idx`],
    ['v', ['a'.repeat(40), 'b'.repeat(40), 'c'], `v_${'a'.repeat(40)}_${'b'.repeat(16)}_idx`],
    ['v', ['ä'.repeat(31)], `v_${'ä'.repeat(28)}_idx`],
  ])('%s (%j) has the name that PostgreSQL chooses', async (name, columns, expected) => {
    const { indexes } = await define({ name, indexes: [{ columns }] })
    expect(indexes[0]?.name).toBe(expected)
  })

  test('have names that the server does not cut', async () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/)
    const column = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((each) => Buffer.byteLength(each) <= 63 && !each.includes('\0'))
    const columns = fc.uniqueArray(column, { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(name, columns, columns, async (name, uniqueKey, columns) => {
        const { indexes } = await define({ name, uniqueKey, indexes: [{ columns }] })
        expect(indexes).toHaveLength(2)
        for (const { name } of indexes) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63)
        expect(indexes[0]?.name).toMatch(/_key$/)
        expect(indexes[1]?.name).toMatch(/_idx$/)
        expect(Buffer.from(indexes[1]!.name).toString()).toBe(indexes[1]?.name) // no letter was cut in two
      }),
    )
  })
})

describe('queries of Kysely', () => {
  interface Tables {
    flights: { origin: string; delay: number }
  }
  const kysely = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  const late = kysely.selectFrom('flights').select('origin')

  test('are compiled', async () => {
    const query = late.where('delay', '>', kyselySql.lit(15)).limit(kyselySql.lit(3))
    expect((await define({ query })).sql).toBe('select "origin" from "flights" where "delay" > 15 limit 3')
  })

  test('that bind values are refused, without the values, and with what to write', async () => {
    const query = late.where('origin', '=', 'secret').where('delay', '>', 815)
    const [problem, ...more] = await problemsOf({ name: 'v', query })
    expect(more).toEqual([])
    expect(problem).toMatchObject({
      view: 'public.v',
      field: 'query',
      message: expect.stringMatching(/2 values.*sql\.lit/),
    })
    expect(problem?.message).not.toMatch(/secret|815/)
  })

  test('are checked like any other query', async () => {
    expect(await problemsOf({ name: 'v', query: late.forUpdate() })).toMatchObject([
      { field: 'query', message: expect.stringMatching(/for update/) },
    ])
    const query = kysely.insertInto('flights').defaultValues()
    expect(await problemsOf({ name: 'v', query })).toMatchObject([
      { field: 'query', message: expect.stringMatching(/not a select/) },
    ])
  })
})

describe('queries of Drizzle', () => {
  const flights = pgTable('flights', { origin: text(), delay: integer() })
  const late = () => new QueryBuilder().select({ origin: flights.origin }).from(flights)

  test('are compiled', async () => {
    const query = late().where(eq(flights.delay, drizzleSql.raw('15')))
    expect((await define({ query })).sql).toBe('select "origin" from "flights" where "flights"."delay" = 15')
    const inlined = late().where(drizzleSql`${flights.origin} = ${"it's"}`.inlineParams())
    expect((await define({ query: inlined })).sql).toMatch(/= 'it''s'$/)
  })

  test('that bind values are refused, without the values, and with what to write', async () => {
    const query = late().where(inArray(flights.origin, ['secret', 'more']))
    const [problem, ...more] = await problemsOf({ name: 'v', query })
    expect(more).toEqual([])
    expect(problem).toMatchObject({ field: 'query', message: expect.stringMatching(/2 values.*sql\.raw/) })
    expect(problem?.message).not.toMatch(/secret|more/)
  })
})

test('no problem is in the words of the library that checks the fields', async () => {
  const values = [null, true, -1, 1.5, '', '\0', 'x'.repeat(70), [], [null], [[]], {}, { a: null }, () => {}]
  const fields = [...Object.keys(definitionDefaults), 'uniqueKey', 'query', 'name', 'unknown']
  const within = [
    ...['columns', 'on', 'name', 'unique', 'using', 'where', 'include', 'unknown'].map((at) => [
      'indexes',
      at,
    ]),
    ...['privileges', 'columns', 'to', 'grantOption', 'unknown'].map((at) => ['grants', at]),
  ] as [string, string][]
  for (const value of values) {
    const inputs = [
      ...fields.map((field) => ({ [field]: value })),
      ...within.map(([field, at]) => ({ [field]: [{ [at]: value }] })),
      value,
    ]
    for (const input of inputs) {
      for (const { field, message } of await problemsOf({
        name: 'v',
        query: 'select 1',
        ...(input as object),
      }))
        expect({ field, message }).not.toEqual({
          field,
          message: expect.stringMatching(/invalid|expected|unrecognized|too (big|small)|undefined|NaN/i),
        })
    }
  }
})

test('a view knows where defineView was called, and is checked only later', () => {
  const view = defineView({ name: 'not a name', query: '' })
  expect(view.file).toMatch(/definitions\.test\.ts$/)
  expect(view.line).toBeGreaterThan(1)
  expect(view.input).toEqual({ name: 'not a name', query: '' })
})
