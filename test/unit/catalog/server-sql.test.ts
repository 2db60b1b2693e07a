import { describe, expect, test } from 'vitest'
import { isUnreadable, readable } from '../../../src/catalog/plan/server-sql.ts'

const clause = (marks: string) =>
  `WITH RECURSIVE w AS (...) CYCLE a SET "is Cycle" ${marks} USING path\n SELECT 1`

describe('the marks of a CYCLE clause, as the server writes them, become constants', () => {
  test.each([
    ["TO 'Y'::text DEFAULT 'N'::text", "TO text 'Y' DEFAULT text 'N'"],
    [`TO 'Y'::c."Odd 'USING' Mood" DEFAULT 'N'::c.b`, `TO c."Odd 'USING' Mood" 'Y' DEFAULT c.b 'N'`],
    [
      "TO 'it''s::'::character varying(5) DEFAULT 'N'::name",
      "TO character varying(5) 'it''s::' DEFAULT name 'N'",
    ],
    ["TO '1'::numeric(10,2) DEFAULT 1.5", "TO numeric(10,2) '1' DEFAULT 1.5"],
    ['TO NULL::text DEFAULT 1.50::numeric(10,2)', "TO NULL DEFAULT numeric(10,2) '1.50'"],
    [
      "TO '1 day'::interval(3) DEFAULT '02:00:00'::interval hour",
      "TO interval(3) '1 day' DEFAULT interval '02:00:00' hour",
    ],
    ['TO false DEFAULT true', 'TO false DEFAULT true'],
  ])('%s', (written, read) => {
    expect(readable(clause(written))).toBe(clause(read))
    expect(isUnreadable(readable(clause(written)))).toBe(false)
  })
})

test('the same words in a text or in a name stay', () => {
  const sql = `SELECT ' SET x TO ''Y''::text DEFAULT ''N''::text USING ' AS " SET x TO 1::text DEFAULT 2::text USING "`
  expect(readable(sql)).toBe(sql)
  expect(isUnreadable(sql)).toBe(false)
})

test('marks of an array type stay, and nobody can read them', () => {
  const written = clause("TO '{a}'::text[] DEFAULT '{b}'::text[]")
  expect(readable(written)).toBe(written)
  expect(isUnreadable(written)).toBe(true)
})

test('each pair of columns of two rows has an operator of its own, so the operator after a row has no schema', () => {
  const written = (operator: (schema: string, name: string) => string) =>
    `SELECT f(a, b) ${operator('public', '=')} c, (ROW(a, f(b, 1)) ${operator('"o.1"', '<=')} ROW(c, 'x) OPERATOR(public.=) y')), ((a, b) ${operator('public', '=')} ANY ( SELECT s.a, (s.b) OPERATOR(public.=) b FROM s)) FROM t`
  const exact = (schema: string, name: string) => `OPERATOR(${schema}.${name})`
  expect(readable(written(exact))).toBe(
    written((_, name) => name).replace('f(a, b) =', 'f(a, b) OPERATOR(public.=)'),
  )
})
