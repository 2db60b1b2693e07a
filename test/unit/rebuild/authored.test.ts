import { describe, expect, test } from 'vitest'
import { pathOverShadows, requalify, viewsNamedIn } from '../../../src/rebuild/plan/requalify.ts'

const moved = new Map([
  ['"s"."a"', 'shadows'],
  ['"S t"."B ""q"', 'shadows 2'],
])

describe('an author’s query is pointed to shadows', () => {
  test.each([
    ['after from', 'select x from s.a', 'select x from "shadows".a'],
    ['whatever the case', 'SELECT x FROM S.A, only s.a z', 'SELECT x FROM "shadows".A, only "shadows".a z'],
    [
      'in joins, also nested ones',
      'select 1 from (s.b join s.a using (x)) left join lateral (select 1 from s . a) y on true',
      'select 1 from (s.b join "shadows".a using (x)) left join lateral (select 1 from "shadows" . a) y on true',
    ],
    [
      'in common table expressions, unions and subqueries',
      'with w as materialized (select 1 from s.a) select (select max(x) from s.a) from w union table s.a',
      'with w as materialized (select 1 from "shadows".a) select (select max(x) from "shadows".a) from w union table "shadows".a',
    ],
    [
      'in columns that are written with their schema',
      'select s.a.x, count(s.a.*) from s.a',
      'select "shadows".a.x, count("shadows".a.*) from "shadows".a',
    ],
    ['with quoted names', 'select 1 from "S t"."B ""q" q', 'select 1 from "shadows 2"."B ""q" q'],
  ])('%s', (_, sql, onShadows) => {
    expect(requalify(sql, moved)).toBe(onShadows)
  })

  test.each([
    ['an alias and its column', 'select s.a from t s where s.a > 1 order by s.a'],
    ['a function', 'select x from s.a(1), s.a (2)'],
    [
      'a FROM that begins no clause',
      "select extract(year from s.a), trim(both 'x' from s.a), s.a is distinct from s.a from t s",
    ],
    ['a string', "select 's.a', e'\\' from s.a', $$ from s.a $$, $q$ from s.a $$ $q$ from t"],
    ['a comment', 'select 1 -- from s.a\n /* from s.a /* from s.a */ from s.a */ from t'],
    ['another relation of the name', 'select 1 from other.a, a, s."A"'],
  ])('but not %s', (_, sql) => {
    expect(requalify(sql, moved)).toBe(sql)
  })
})

test.each([
  [
    'a view',
    'select a.x from a join other.a b on a.x = b.x',
    'select a.x from "shadows".a join other.a b on a.x = b.x',
  ],
  [
    'no expression',
    'with a as (select 1 from s.a) select 1 from a',
    'with a as (select 1 from "shadows".a) select 1 from a',
  ],
  ['no function', 'select a from a(1), extract(year from a)', 'select a from a(1), extract(year from a)'],
])('a name without a schema gets one if it means %s', (_, sql, onShadows) => {
  expect(requalify(sql, moved, new Map([['a', 'shadows']]))).toBe(onShadows)
})

test('the views that a query names are found, with and without their schema', () => {
  const views = ['sales', 'days', 'extra', 'cte'].map((name) => ({ schema: 'app', name }))
  const sql =
    'with recursive cte(n) as not materialized (select 1), extra as (select 2 from cte, extra) select sales, extra from app.days join Sales on extra = days.total, x.cte'
  expect(viewsNamedIn(sql, views).map(({ name }) => name)).toEqual(['sales', 'days'])
})

test('on the search path, the shadows of a schema come before it', () => {
  const shadowsOf = (schema: string) =>
    ['app', 'Odd, one', 'boss'].includes(schema) ? `new ${schema}` : undefined
  expect(pathOverShadows('"$user", App,public, "Odd, one"', shadowsOf, 'boss')).toBe(
    '"new boss", "$user", "new app", App, public, "new Odd, one", "Odd, one"',
  )
})
