// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are sources

import { expect, test } from 'vitest'
import { known, placesIn, wrongIn } from '../../build/roles.ts'

test.each([
  ['src/a.ts', "await sql`select set_config('role', ${owner}, true)`"],
  ['src/a.ts', 'await sql.unsafe(`set local role ${owner}; select * from ${view}`)'],
  ['src/a.ts', "const text = 'SET ROLE mallory'"],
  ['src/a.ts', "const text = 'begin; set session role mallory'"],
  ['src/a.ts', "const text = `do $$ begin perform pg_catalog.set_config('role', part.owner, true); end $$`"],
  ['src/a.ts', 'const text = `set session authorization ${owner}`'],
  ['src/a.ts', "const text = \"select set_config('session_authorization', 'mallory', true)\""],
  ['src/a.ts', 'connect({ startUp: { lock_timeout: 1, role: owner } })'],
  ['schema/900_a.sql', "begin perform set_config( 'role', owner, true); end"],
  ['schema/900_a.sql', 'create function f() set role mallory as'],
])('a place in %s that takes a role is refused: %s', (path, text) => {
  expect(wrongIn({ [path]: text })).toEqual([expect.stringContaining(`${path}: takes a role in 1 places`)])
  expect(wrongIn({ 'src/sealed/db/a.ts': text })).toEqual([])
})

test('comments, words and what is no setting are let through', () => {
  const text =
    "// set role mallory\nconst own = { role: 'x' }; const said = `a set of roles`; const wanted = 'reset role'"
  expect(wrongIn({ 'src/a.ts': text, 'schema/900_a.sql': '-- set role mallory\nselect 1' })).toEqual([])
})

test('one more place in a file that is known is refused, and one less', () => {
  const [path, { places }] = Object.entries(known).find(([path]) => path.endsWith('.ts'))!
  const text = (times: number) => Array.from({ length: times }, () => "f('set role a')").join('\n')
  expect(placesIn(path, text(places))).toBe(places)
  expect([places - 1, places, places + 1].map((times) => wrongIn({ [path]: text(times) }).length)).toEqual([
    1, 0, 1,
  ])
})
