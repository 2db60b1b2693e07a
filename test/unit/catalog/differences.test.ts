import { describe, expect, test } from 'vitest'
import { definitionOf, needsRebuild, notCompared } from '../../../src/catalog/plan/differences.ts'
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

const ownerGrants = ['SELECT', 'INSERT'].map((privilege) => grant(privilege, 'boss', { grantable: true }))

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
