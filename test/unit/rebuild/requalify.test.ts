import { expect, test } from 'vitest'
import { requalify } from '../../../src/rebuild/plan/requalify.ts'

const moved = new Map([
  ['"s"."a"', 'shadows'],
  ['"S t"."B ""q"', 'shadows 2'],
])

test.each([
  [
    'after FROM, with and without an alias',
    'SELECT a.x FROM s.a, s.a z',
    'SELECT a.x FROM "shadows".a, "shadows".a z',
  ],
  [
    'in joins, also nested ones',
    'FROM ((s.b JOIN s.a ON ((a.x = b.x))) LEFT JOIN s.a y USING (x))',
    'FROM ((s.b JOIN "shadows".a ON ((a.x = b.x))) LEFT JOIN "shadows".a y USING (x))',
  ],
  [
    'in subqueries everywhere',
    'SELECT ( SELECT max(a.x) FROM s.a) FROM ( SELECT 1 FROM ONLY s.a) q WHERE EXISTS ( SELECT 1 FROM s.a)',
    'SELECT ( SELECT max(a.x) FROM "shadows".a) FROM ( SELECT 1 FROM ONLY "shadows".a) q WHERE EXISTS ( SELECT 1 FROM "shadows".a)',
  ],
  [
    'in common table expressions and unions',
    'WITH w AS ( SELECT 1 FROM s.a) SELECT 1 FROM w UNION ALL SELECT 2 FROM s.a',
    'WITH w AS ( SELECT 1 FROM "shadows".a) SELECT 1 FROM w UNION ALL SELECT 2 FROM "shadows".a',
  ],
  ['with quoted names', 'SELECT 1 FROM "S t"."B ""q"', 'SELECT 1 FROM "shadows 2"."B ""q"'],
  [
    'as the row type',
    "SELECT a.*::s.a AS r, '(1)'::s.a, ARRAY[]::s.a[] FROM s.a",
    `SELECT a.*::"shadows".a AS r, '(1)'::"shadows".a, ARRAY[]::"shadows".a[] FROM "shadows".a`,
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
    'SELECT 1 FROM t s, LATERAL unnest(s.a, s.a) u(a, b), "shadows".a',
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
