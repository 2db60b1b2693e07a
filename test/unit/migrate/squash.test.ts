import { expect, test } from 'vitest'
import {
  type FrozenChange,
  type FrozenMigration,
  parseFrozen,
  renderFrozen,
} from '../../../src/migrate/plan/frozen.ts'
import { insistOnOrder, numbered } from '../../../src/migrate/plan/order.ts'
import { planRenumber } from '../../../src/migrate/plan/renumber.ts'
import { planSquash } from '../../../src/migrate/plan/squash.ts'
import { definition } from '../../support/views/frozen.ts'

const view = (name: string) => ({ schema: 'public', name })
const define = (name: string): FrozenChange => ({
  does: 'define',
  definition: definition(name, 'select 1 as n'),
})
const sql = (text: string): FrozenChange => ({ does: 'sql', sql: text })

/** A migration, whose file has the text that its change gives. */
function migration(
  number: number,
  words: string,
  up: FrozenChange,
  down: FrozenChange | null = up,
): FrozenMigration {
  const name = `${numbered(number)}_${words}`
  const file = (change: FrozenChange, way: string) => ({
    change,
    why: 'a test',
    file: `${name}.${way}.sql`,
    text: renderFrozen({ change, why: 'a test' }),
  })
  return { number, name, up: file(up, 'up'), down: down && file(down, 'down'), checksum: `of ${name}` }
}

const squashed = (migrations: FrozenMigration[], reads: Record<string, string[]>, without: string[] = []) =>
  planSquash({
    migrations,
    views: Object.entries(reads).map(([name, read]) => ({
      definition: definition(name, 'select 2 as n'),
      reads: read.map((each) => `"public"."${each}"`),
    })),
    without,
    why: 'a test',
  })
const words = (...planned: Parameters<typeof squashed>) => squashed(...planned).map((each) => each.words)

test('a squash names what it replaces, and what replaces that', () => {
  const planned = squashed([migration(1, 'a', define('a')), migration(2, 'own', sql('select 1'))], { a: [] })
  const { up } = planned.at(-1) as (typeof planned)[number]
  expect(up.change).toEqual({
    does: 'squash',
    replaces: [
      { name: '001_a', checksum: 'of 001_a' },
      { name: '002_own', checksum: 'of 002_own' },
    ],
    by: ['003_a', '004_own'],
  })
  const text = renderFrozen(up)
  expect(parseFrozen(text)).toEqual(up)
  expect(text).toBe(
    '-- viewkeeper: {\n--   "why": "a test",\n--   "squash": {\n--     "001_a": "of 001_a",\n--     "002_own": "of 002_own"\n--   },\n' +
      '--   "by": [\n--     "003_a",\n--     "004_own"\n--   ]\n-- }\n\n',
  )
  expect(parseFrozen(text.replace('"by"', '"bye"'))).toBeNull()
  expect(parseFrozen(`${text}drop table orders;\n`)).toBeNull()
})

test('a squash of nothing but removed views leaves only itself', () => {
  expect(
    words([migration(1, 'a', define('a')), migration(2, 'remove_a', { does: 'drop', view: view('a') })], {}),
  ).toEqual(['squash'])
})

test('views come in the order in which they read each other, whenever they were changed', () => {
  const history = [
    migration(1, 'base', define('base')),
    migration(2, 'top', define('top')),
    migration(3, 'base', define('base')),
  ]
  expect(words(history, { top: ['base'], base: [] })).toEqual(['base', 'top', 'squash'])
})

test.each([
  [
    'before the views that changed after it',
    [define('a'), sql('create function f()'), define('a')],
    ['own', 'a'],
  ],
  [
    'after the views that it names',
    [define('a'), sql('create view p as select * from A'), define('a')],
    ['a', 'own'],
  ],
  ['before a view of a name that it knew before', [sql('drop table if exists a'), define('a')], ['own', 'a']],
  ['after the views that were not changed later', [define('a'), sql('create function f()')], ['a', 'own']],
] as [string, FrozenChange[], string[]][])('own SQL comes %s', (_, changes, expected) => {
  const history = changes.map((change, at) => migration(at + 1, change.does === 'sql' ? 'own' : 'a', change))
  expect(words(history, { a: [] })).toEqual([...expected, 'squash'])
})

test('own SQL keeps its order, and the views are between, also where not every wish can be granted', () => {
  const history = [
    migration(1, 'base', define('base')),
    migration(2, 'top', define('top')),
    migration(3, 'plain', sql('create view plain as select * from top')),
    migration(4, 'base', define('base')),
    migration(5, 'later', sql('create index on orders (id)'), null),
  ]
  const planned = squashed(history, { base: [], top: ['base'] })
  expect(planned.map((each) => each.words)).toEqual(['base', 'top', 'plain', 'later', 'squash'])
  expect(planned.map(({ was, down }) => [was, down?.change.does])).toEqual([
    [null, 'drop'],
    [null, 'drop'],
    ['003_plain', 'sql'],
    ['005_later', undefined],
    [null, 'squash'],
  ])
})

test('own SQL that a new database does not need is left out, if it is own SQL', () => {
  const history = [migration(1, 'a', define('a')), migration(2, 'own', sql('select 1'))]
  expect(words(history, { a: [] }, ['002_own'])).toEqual(['a', 'squash'])
  expect(() => words(history, { a: [] }, ['001_a'])).toThrow(
    '--without: migrations/ has no own SQL that is called 001_a.',
  )
})

test('a view keeps the way back of its first migration: one that was adopted is released, also after a rename', () => {
  const history = [
    migration(1, 'old', define('old'), { does: 'release', view: view('old') }),
    migration(2, 'a', { does: 'rename', view: view('old'), to: view('a') }),
    migration(3, 'a', define('a')),
  ]
  const [first] = squashed(history, { a: [] })
  expect(first?.down?.change).toEqual({ does: 'release', view: view('a') })
})

test('a view that was removed and made again is dropped on the way back', () => {
  const history = [
    migration(1, 'a', define('a'), { does: 'release', view: view('a') }),
    migration(2, 'remove_a', { does: 'drop', view: view('a') }),
    migration(3, 'a', define('a'), { does: 'drop', view: view('a') }),
  ]
  expect(squashed(history, { a: [] })[0]?.down?.change.does).toBe('drop')
})

const squash = (number: number, replaces: string[], by: string[]) =>
  migration(number, 'squash', {
    does: 'squash',
    replaces: replaces.map((name) => ({ name, checksum: name })),
    by,
  })

test.each([
  [
    'a replaced migration that came back',
    [migration(2, 'b', define('b'))],
    '002_b is replaced by 004_squash. Delete the files of 002_b.',
  ],
  [
    'a migration of a branch that does not know the squash',
    [migration(1, 'c', define('c'))],
    '001_c has the number of a migration that 004_squash replaces. Run: npx viewkeeper migrate renumber 001_c',
  ],
] as [string, FrozenMigration[], string][])('a squashed folder with %s is refused', (_, more, message) => {
  const folder = [migration(3, 'a', define('a')), squash(4, ['001_a', '002_b'], ['003_a'])]
  expect(() => insistOnOrder(folder)).not.toThrow()
  expect(() => insistOnOrder([...more, ...folder])).toThrow(message)
})

test('a squashed folder that lacks a part, or has another one, is refused', () => {
  const end = squash(4, ['001_a', '002_b'], ['003_a'])
  expect(() => insistOnOrder([end])).toThrow(
    '004_squash should be number 003: a migration before it is missing.',
  )
  expect(() => insistOnOrder([migration(3, 'c', define('c')), end])).toThrow(
    '004_squash consists of 003_a, but the folder has 003_c. Restore these files.',
  )
})

const branches = [
  migration(1, 'a', define('a')),
  migration(2, 'b', define('b')),
  migration(2, 'c', define('c')),
  migration(3, 'd', sql('select 1')),
]
const renumbered = (migrations: FrozenMigration[], ...later: string[]) =>
  planRenumber(migrations, new Set(later)).map(({ migration: { name }, name: to }) => `${name} ${to}`)

test('renumbered migrations come after all others, in their order', () => {
  expect(renumbered(branches, '002_c', '003_d')).toEqual(['002_c 003_c', '003_d 004_d'])
  expect(renumbered(branches, '003_d', '002_b')).toEqual(['002_b 003_b', '003_d 004_d'])
  expect(renumbered(branches, '002_b')).toEqual(['002_b 004_b'])
})

test('what is left has to be in order', () => {
  expect(() => renumbered(branches, '003_d')).toThrow('002_b and 002_c have the same number')
  expect(() => renumbered(branches.slice(0, 2), '001_a')).toThrow('002_b should be number 001')
})

test('a view that both branches change is frozen again, and not renumbered, also after a rename', () => {
  const other = migration(2, 'a', define('a'))
  const rename = migration(3, 'e', { does: 'rename', view: view('a'), to: view('e') })
  expect(() =>
    renumbered(
      [migration(1, 'a', define('a')), other, migration(2, 'b', define('b')), rename],
      '002_b',
      '003_e',
    ),
  ).toThrow(
    'migrations/: 003_e and 002_a both change public.e. Delete the files of 003_e, renumber what still has the same number, ' +
      'and freeze the view again, as views/ has it after the merge.',
  )
})

test('a branch that does not know a squash comes after all of it, or is frozen again', () => {
  const history = [migration(3, 'a', define('a')), squash(4, ['001_a', '002_b'], ['003_a'])]
  expect(renumbered([...history, migration(3, 'x', define('x'))].toSorted(byNumber), '003_x')).toEqual([
    '003_x 005_x',
  ])
  expect(() => renumbered([...history, migration(4, 'a', define('a'))].toSorted(byNumber), '004_a')).toThrow(
    '004_a and 003_a both change public.a.',
  )
  expect(() => renumbered(history, '003_a')).toThrow(
    '003_a is part of a squashed history, which keeps its numbers.',
  )
})

const byNumber = (a: FrozenMigration, b: FrozenMigration) => a.number - b.number
