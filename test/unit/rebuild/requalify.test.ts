import { expect, test } from 'vitest'
import { requalify } from '../../../src/rebuild/plan/requalify.ts'

const moved = new Map([
  ['"s"."a"', 'twins'],
  ['"S t"."B ""q"', 'twins 2'],
])

test.each([
  [
    'after FROM, with and without an alias',
    'SELECT a.x FROM s.a, s.a z',
    'SELECT a.x FROM "twins".a, "twins".a z',
  ],
  [
    'in joins, also nested ones',
    'FROM ((s.b JOIN s.a ON ((a.x = b.x))) LEFT JOIN s.a y USING (x))',
    'FROM ((s.b JOIN "twins".a ON ((a.x = b.x))) LEFT JOIN "twins".a y USING (x))',
  ],
  [
    'in subqueries everywhere',
    'SELECT ( SELECT max(a.x) FROM s.a) FROM ( SELECT 1 FROM ONLY s.a) q WHERE EXISTS ( SELECT 1 FROM s.a)',
    'SELECT ( SELECT max(a.x) FROM "twins".a) FROM ( SELECT 1 FROM ONLY "twins".a) q WHERE EXISTS ( SELECT 1 FROM "twins".a)',
  ],
  [
    'in common table expressions and unions',
    'WITH w AS ( SELECT 1 FROM s.a) SELECT 1 FROM w UNION ALL SELECT 2 FROM s.a',
    'WITH w AS ( SELECT 1 FROM "twins".a) SELECT 1 FROM w UNION ALL SELECT 2 FROM "twins".a',
  ],
  ['with quoted names', 'SELECT 1 FROM "S t"."B ""q"', 'SELECT 1 FROM "twins 2"."B ""q"'],
  [
    'as the row type',
    "SELECT a.*::s.a AS r, '(1)'::s.a, ARRAY[]::s.a[] FROM s.a",
    `SELECT a.*::"twins".a AS r, '(1)'::"twins".a, ARRAY[]::"twins".a[] FROM "twins".a`,
  ],
  [
    'but no column of an alias that is called like the schema',
    'SELECT s.a, f(s.a) FROM t s WHERE (s.a = 1) GROUP BY s.a ORDER BY s.a',
    'SELECT s.a, f(s.a) FROM t s WHERE (s.a = 1) GROUP BY s.a ORDER BY s.a',
  ],
  [
    'nor behind the FROM of a function',
    'SELECT EXTRACT(year FROM s.a), (s.b IS DISTINCT FROM s.a) FROM t s',
    'SELECT EXTRACT(year FROM s.a), (s.b IS DISTINCT FROM s.a) FROM t s',
  ],
  [
    'nor arguments of a function in FROM',
    'SELECT 1 FROM t s, LATERAL unnest(s.a, s.a) u(a, b), s.a',
    'SELECT 1 FROM t s, LATERAL unnest(s.a, s.a) u(a, b), "twins".a',
  ],
  ['nor functions', 'SELECT 1 FROM s.a(1)', 'SELECT 1 FROM s.a(1)'],
  [
    'nor strings',
    "SELECT ' FROM s.a'::text, E'\\' FROM s.a' FROM t",
    "SELECT ' FROM s.a'::text, E'\\' FROM s.a' FROM t",
  ],
  ['nor other names', 'SELECT 1 FROM s.ab, sa.a, "S".a', 'SELECT 1 FROM s.ab, sa.a, "S".a'],
])('a member is moved %s', (_, sql, expected) => {
  expect(requalify(sql, moved)).toBe(expected)
})
