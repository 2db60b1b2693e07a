import { describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import {
  authoredDifferences,
  type FreezeRequest,
  type NewMigration,
  planFreeze,
  unappliedDifferences,
} from '../../../src/migrate/plan/freeze.ts'
import type { FrozenChange } from '../../../src/migrate/plan/frozen.ts'
import { definition } from '../../support/views/frozen.ts'

const inPublic = (name: string) => ({ schema: 'public', name })
const [a, b, c] = ['a', 'b', 'c'].map((name) => definition(name, `select '${name}'`)) as [
  Definition,
  Definition,
  Definition,
]

/** Migrations as they would be after freezing these. */
const frozen = (...changes: (Definition | FrozenChange)[]) =>
  changes.map((change, at) => ({
    name: `00${at + 1}_m`,
    up: { why: '', change: 'does' in change ? change : { does: 'define' as const, definition: change } },
  }))

const plan = (request: Partial<FreezeRequest>): NewMigration[] =>
  planFreeze({
    authored: [],
    migrations: [],
    why: 'a test',
    only: null,
    renames: [],
    removes: [],
    canonical: (sql) => sql,
    ...request,
  })

/** `define a | drop public.a` for each migration: up, and the way back. */
const inWords = (migrations: NewMigration[]): string[] =>
  migrations.map(({ words, up, down }) => `${words}: ${stepInWords(up.change)} | ${stepInWords(down.change)}`)

function stepInWords(change: FrozenChange): string {
  switch (change.does) {
    case 'define':
      return `define ${change.definition.name} as ${change.definition.sql}`
    case 'rename':
      return `rename ${change.view.name} to ${change.to.name}`
    case 'drop':
    case 'release':
      return `${change.does} ${change.view.name}`
    default:
      return change.does
  }
}

describe('freezing', () => {
  test('of everything at once renames first, then defines, then removes', () => {
    const renamed = { ...a, name: 'z' }
    const changed = { ...b, sql: "select 'new'" }
    const migrations = plan({
      authored: [c, changed, renamed],
      migrations: frozen(a, b, definition('old', 'select 0')),
      renames: [{ from: inPublic('a'), to: inPublic('z') }],
      removes: [inPublic('old')],
    })
    expect(inWords(migrations)).toEqual([
      'z: rename a to z | rename z to a',
      "c: define c as select 'c' | drop c",
      "b: define b as select 'new' | define b as select 'b'",
      'remove_old: drop old | define old as select 0',
    ])
  })
})

describe('what is authored and what is frozen', () => {
  const differences = (authored: Definition[], ...changes: (Definition | FrozenChange)[]) =>
    authoredDifferences(authored, frozen(...changes), (sql) => sql)

  test('differ in nothing where only keys come in another order', () => {
    const then = { ...a, indexes: [{ name: 'i', on: '(id)' }], settings: { jit: 'off', work_mem: '1MB' } }
    const now = { ...a, indexes: [{ on: '(id)', name: 'i' }], settings: { work_mem: '1MB', jit: 'off' } }
    expect(differences([now], then)).toEqual([])
  })

  test('of a renamed view differ since the rename', () => {
    const change: FrozenChange = { does: 'rename', view: inPublic('a'), to: inPublic('z') }
    expect(differences([{ ...a, name: 'z', sql: 'select 2' }], a, change)).toEqual([
      { view: 'public.z', kind: 'unfrozen', message: 'query changed since 002_m' },
    ])
  })
})

describe('changed queries', () => {
  const renewed = (name: string) => definition(name, `select 'new ${name}'`)
  const reads = (text: string) =>
    new Map(
      text
        .split(', ')
        .map((each) => each.split(' > ').map((name) => `"public"."${name}"`))
        .map(([reader, read]) => [reader as string, [read as string]]),
    )
  const wordsOf = (request: Partial<FreezeRequest>) => plan(request).map(({ words }) => words)

  test('of views that read each other through others share one, too', () => {
    const authored = [renewed('a'), b, renewed('c')]
    expect(wordsOf({ authored, migrations: frozen(a, b, c), reads: reads('c > b, b > a') })).toEqual(['a_c'])
  })

  test('of views that the author names share one', () => {
    const authored = [renewed('a'), renewed('b'), renewed('c')]
    const only = [inPublic('a'), inPublic('c')]
    expect(wordsOf({ authored, migrations: frozen(a, b, c), only })).toEqual(['a_c'])
  })

  test('come after a new view that they read, and before a new one that reads them', () => {
    const authored = [
      definition('new', 'select 1'),
      renewed('a'),
      renewed('b'),
      definition('top', 'select 2'),
    ]
    const migrations = frozen(a, b)
    expect(wordsOf({ authored, migrations, reads: reads('b > a, a > new, top > b') })).toEqual([
      'new',
      'a_b',
      'top',
    ])
    expect(
      wordsOf({
        authored: [renewed('a'), authored[0] as Definition, renewed('b')],
        migrations,
        reads: new Map([...reads('b > new'), ['"public"."a"', ['"public"."b"']]]),
      }),
    ).toEqual(['new', 'a_b'])
  })

  test('stay apart where a new view stands between them', () => {
    const authored = [renewed('a'), definition('new', 'select 1'), renewed('b')]
    expect(wordsOf({ authored, migrations: frozen(a, b), reads: reads('new > a, b > new') })).toEqual([
      'a',
      'new',
      'b',
    ])
  })

  test('are found unfrozen, frozen and unapplied, view by view', () => {
    const together: FrozenChange = {
      does: 'together',
      definitions: [renewed('a'), { ...renewed('b'), schedule: '0 5 * * *' }],
    }
    const migrations = frozen(a, b, together)
    expect(authoredDifferences([renewed('a'), b], migrations, (sql) => sql)).toEqual([
      { view: 'public.b', kind: 'unfrozen', message: 'query, schedule changed since 003_m' },
    ])
    expect(unappliedDifferences(migrations, ['003_m'])).toEqual([
      {
        view: 'public.b',
        kind: 'unapplied',
        message: 'schedule changed in 003_m, which is not applied to this database',
      },
    ])
  })
})
