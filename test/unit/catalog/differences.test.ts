import { describe, expect, test } from 'vitest'
import { definitionOf } from '../../../src/catalog/plan/describe.ts'
import {
  type Difference,
  liveDifferences,
  needsRebuild,
  notCompared,
} from '../../../src/catalog/plan/differences.ts'
import type { Grant, LiveView } from '../../../src/catalog/plan/live-view.ts'
import { liveView } from '../../support/views/facts.ts'

type Changes = NonNullable<Parameters<typeof liveView>[0]>

const column = (name: string, type = 'integer', more = {}): LiveView['columns'][number] => ({
  name,
  type,
  statistics: null,
  options: [],
  storage: null,
  compression: null,
  default: null,
  comment: null,
  ...more,
})

const index = (name: string, rest = 'USING btree (id)', more = {}): LiveView['indexes'][number] => ({
  name,
  unique: false,
  rest,
  hasExpressions: false,
  tablespace: null,
  clustered: false,
  comment: null,
  statistics: [],
  extensions: [],
  ...more,
})

const grant = (privilege: string, grantee: string, more: Partial<Grant> = {}): Grant => ({
  column: null,
  grantor: 'boss',
  grantee,
  privilege,
  grantable: false,
  ...more,
})

const usually = (given: Grant) => ({ ...given, everywhere: true })

const ownerGrants = ['SELECT', 'INSERT'].map((privilege) => grant(privilege, 'boss', { grantable: true }))

/** What differs, as `kind: message`, between a live view and what is frozen. */
const differences = (live: Changes, frozen: Changes): string[] =>
  liveDifferences(liveView(live), liveView(frozen)).map(({ kind, message }) => `${kind}: ${message}`)

describe('a live view and its definition', () => {
  test('do not differ if they are the same', () => {
    const same: Changes = {
      view: { comment: 'c' },
      columns: [column('id')],
      indexes: [index('i')],
      grants: [...ownerGrants, grant('SELECT', 'reader')],
    }
    expect(differences(same, same)).toEqual([])
  })

  test.each<[string, Changes, Changes, string[]]>([
    [
      'another query',
      { view: { definition: ' SELECT 2 AS id' } },
      { view: { definition: ' SELECT 1 AS id' } },
      ['query: its query is not the frozen one'],
    ],
    ['a column too few', {}, { columns: [column('id')] }, ['column: it lacks column id']],
    ['a column too many', { columns: [column('id')] }, {}, ['column: it has column id, which is not frozen']],
    [
      'a column of another type',
      { columns: [column('id', 'numeric(10,2)')] },
      { columns: [column('id')] },
      ['column: its column id is numeric(10,2), and frozen as integer'],
    ],
    [
      'columns in another order',
      { columns: [column('a'), column('b')] },
      { columns: [column('b'), column('a')] },
      ['column: its columns come in another order'],
    ],
    ['an index too few', {}, { indexes: [index('i')] }, ['index: it lacks index i']],
    ['an index too many', { indexes: [index('i')] }, {}, ['index: it has index i, which is not frozen']],
    [
      'another index',
      { indexes: [index('i', 'USING btree (id)', { unique: true })] },
      { indexes: [index('i', 'USING hash (id)')] },
      ['index: its index i is unique USING btree (id), and frozen as USING hash (id)'],
    ],
    [
      'an index that is not unique any more',
      { indexes: [index('i')] },
      { indexes: [index('i', 'USING btree (id)', { unique: true })] },
      ['index: its index i is USING btree (id), and frozen as unique USING btree (id)'],
    ],
    [
      'a comment too many',
      { view: { comment: 'by "hand"' } },
      {},
      ['comment: its comment is "by \\"hand\\"", and frozen as none'],
    ],
    [
      'a comment too few',
      {},
      { view: { comment: 'c' } },
      ['comment: its comment is none, and frozen as "c"'],
    ],
    [
      'a grant too few',
      {},
      { grants: [grant('SELECT', 'reader', { column: 'id' })] },
      ['grant: it lacks the grant of select (id) to reader'],
    ],
    [
      'a grant too many',
      { grants: [grant('UPDATE', '"Odd"')] },
      {},
      ['grant: update to "Odd" is granted, which is not frozen'],
    ],
    [
      'a grant of more than default privileges give',
      {
        grants: [grant('UPDATE', 'usual'), grant('SELECT', 'usual', { grantable: true })],
        defaultGrants: [usually(grant('SELECT', 'usual'))],
      },
      {},
      [
        'grant: update to usual is granted, which is not frozen',
        'grant: select to usual with grant option is granted, which is not frozen',
      ],
    ],
    [
      "a grant that another role's default privileges give",
      {
        grants: [grant('SELECT', 'usual')],
        defaultGrants: [usually(grant('SELECT', 'usual', { grantor: 'somebody' }))],
      },
      {},
      ['grant: select to usual is granted, which is not frozen'],
    ],
    [
      'a grant option too few',
      { grants: [grant('SELECT', 'reader')] },
      { grants: [grant('SELECT', 'reader', { grantable: true })] },
      [
        'grant: it lacks the grant of select to reader with grant option',
        'grant: select to reader is granted, which is not frozen',
      ],
    ],
  ])('differ by %s', (_, live, frozen, expected) => {
    expect(differences(live, frozen)).toEqual(expected)
  })

  test.each<[string, Changes, Changes]>([
    ['the privileges of the owner', { grants: ownerGrants }, { grants: [] }],
    [
      'what default privileges give',
      { grants: [grant('SELECT', 'usual')], defaultGrants: [usually(grant('SELECT', 'usual'))] },
      { grants: [] },
    ],
    [
      'what default privileges give, without the grant option that they give',
      {
        grants: [grant('SELECT', 'usual')],
        defaultGrants: [usually(grant('SELECT', 'usual', { grantable: true }))],
      },
      { grants: [] },
    ],
    [
      'the grantor',
      { grants: [grant('SELECT', 'reader', { grantor: 'somebody' })] },
      { grants: [grant('SELECT', 'reader')] },
    ],
    [
      'what a definition cannot hold',
      {
        view: { options: ['fillfactor=70'], tablespace: 'fast', accessMethod: 'other' },
        columns: [column('id', 'integer', { comment: 'kept', statistics: 7 })],
        indexes: [index('i', 'USING btree (id)', { comment: 'kept', clustered: true })],
      },
      { columns: [column('id')], indexes: [index('i')] },
    ],
    [
      'the order of the indexes',
      { indexes: [index('a'), index('b')] },
      { indexes: [index('b'), index('a')] },
    ],
  ])('do not differ by %s', (_, live, frozen) => {
    expect(differences(live, frozen)).toEqual([])
  })

  test('differ by a frozen grant that default privileges should give but do not', () => {
    const frozen = { grants: [grant('SELECT', 'usual')] }
    expect(differences({ defaultGrants: [usually(grant('SELECT', 'usual'))] }, frozen)).toEqual([
      'grant: it lacks the grant of select to usual',
    ])
  })

  test('are named as people write names', () => {
    expect(liveDifferences(liveView({ view: { comment: 'c' } }), liveView())).toEqual([
      expect.objectContaining<Partial<Difference>>({ view: 'app."Sales"' }),
    ])
  })
})

describe('a view is rebuilt', () => {
  test.each<[string, Changes, Changes]>([
    ['another query', { view: { definition: ' SELECT 2 AS id' } }, {}],
    ['another type', { columns: [column('id', 'text')] }, { columns: [column('id')] }],
    ['another order', { columns: [column('a'), column('b')] }, { columns: [column('b'), column('a')] }],
  ])('for %s', (_, live, shadow) => {
    expect(needsRebuild(liveView(live), liveView(shadow))).toBe(true)
  })

  test('for nothing else', () => {
    const live = { view: { comment: 'c' }, indexes: [index('i')], grants: [grant('SELECT', 'reader')] }
    expect(needsRebuild(liveView(live), liveView())).toBe(false)
  })
})

describe('a live view as a definition', () => {
  const definitionFrom = (live: Changes) => definitionOf(liveView(live), null).definition

  test('says what the view is, without the privileges of the owner', () => {
    expect(
      definitionOf(
        liveView({
          view: { comment: 'c', definition: ' SELECT id,\n    n\n   FROM app.base' },
          columns: [column('id')],
          indexes: [
            index('i', 'USING gin (tags) WHERE (n > 0)'),
            index('k', 'USING btree (id)', { unique: true }),
          ],
        }),
        'boss',
      ),
    ).toEqual({
      leftOut: [],
      definition: expect.objectContaining({
        schema: 'app',
        name: 'Sales',
        sql: 'SELECT id,\n   n\n  FROM app.base',
        comment: 'c',
        indexes: [
          { name: 'i', on: 'using gin (tags) WHERE (n > 0)' },
          { name: 'k', unique: true, on: 'using btree (id)' },
        ],
        grants: [],
        strategy: 'auto',
        schedule: null,
        retries: 1,
      }),
    })
  })

  test('joins the privileges of one role, by columns and grant option', () => {
    expect(
      definitionFrom({
        grants: [
          ...ownerGrants,
          grant('INSERT', 'reader'),
          grant('SELECT', 'reader'),
          grant('SELECT', 'public'),
          grant('UPDATE', 'reader', { grantable: true }),
          grant('SELECT', '"Odd ""role"""'),
          grant('SELECT', 'reader', { column: 'id' }),
          grant('SELECT', 'reader', { column: 'Name' }),
          grant('UPDATE', 'reader', { column: 'id' }),
          grant('SELECT', 'reader', { column: 'n', grantable: true }),
        ],
      }).grants,
    ).toEqual([
      { privileges: ['insert', 'select'], to: 'reader' },
      { privileges: ['select'], to: 'public' },
      { privileges: ['update'], to: 'reader', grantOption: true },
      { privileges: ['select'], to: 'Odd "role"' },
      { privileges: ['select'], columns: ['id', 'Name'], to: 'reader' },
      { privileges: ['update'], columns: ['id'], to: 'reader' },
      { privileges: ['select'], columns: ['n'], to: 'reader', grantOption: true },
    ])
  })

  test('has once what two roles have granted', () => {
    const twice = ['boss', 'other'].flatMap((grantor) => [
      grant('SELECT', 'reader', { grantor }),
      grant('SELECT', 'reader', { grantor, column: 'id' }),
    ])
    expect(definitionFrom({ grants: twice }).grants).toEqual([
      { privileges: ['select'], to: 'reader' },
      { privileges: ['select'], columns: ['id'], to: 'reader' },
    ])
  })

  test('keeps every letter of a text in the query', () => {
    for (const text of ["'a\n b'", "'\n'", "'a\n  b\n c'"]) {
      const definition = ` SELECT ${text}::text AS t`
      expect(definitionFrom({ view: { definition } }).sql).toContain(text)
    }
  })

  test('leaves out what no definition can hold, and says what that is', () => {
    const { leftOut } = definitionOf(
      liveView({
        view: { options: ['fillfactor=70'], tablespace: 'fast' },
        columns: [column('id', 'integer', { comment: 'key' }), column('n', 'text', { storage: 'external' })],
        indexes: [index('i', 'USING btree (id)', { clustered: true }), index('j')],
        statistics: [
          {
            schema: 'app',
            name: 's',
            owner: 'boss',
            middle: 'on id, n',
            hasExpressions: false,
            target: null,
            comment: null,
          },
        ],
        grants: [...ownerGrants, grant('SELECT', 'reader', { grantor: 'clerk' }), grant('SELECT', 'clerk')],
      }),
      null,
    )
    expect(leftOut).toEqual([
      'storage options',
      'its tablespace',
      'the grantor clerk of select to reader',
      'statistics s',
      'the comment on column id',
      'settings of column n',
      'comment, tablespace, cluster mark or statistics of index i',
    ])
  })
})

test('a view that we may not compare is said with its owner, also if the catalog shows no missing right', () => {
  expect(notCompared('boss', null)).toBe('it cannot be compared: we may not act as its owner, boss')
  const missing =
    'Missing: app may not act as its owner, boss.\n\na superuser has to run:\n  grant boss to app;'
  expect(notCompared('boss', missing)).toBe(`it cannot be compared. ${missing}`)
})
