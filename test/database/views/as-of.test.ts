import { beforeAll, expect, test } from 'vitest'
import { putBack } from '../../../src/operations/aside/put-back.ts'
import { setAside } from '../../../src/operations/aside/set-aside.ts'
import { refresh } from '../../../src/operations/runs/refresh.ts'
import type { Strategy } from '../../../src/plan/views/definition.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { rewrite } from '../../support/views/rewritten.ts'

const { sql, database } = useDatabase()
const one = (name: string, strategy: Strategy) => refresh({ view: `age.${name}`, strategy }, callOn(database))
const all = async (exchange: 'together' | 'each') =>
  advanceToEnd(database, await begin(database, { pattern: 'age.*', exchange }))
const aside = { requestedBy: 'wilma', dryRun: false, trial: true, huntMs: 5000 }
const back = { given: [], forgotten: [], dryRun: false, requestedBy: 'wilma' }

/** Four levels: `a` reads a table, `b` reads `a` through a plain view, `c` reads `b` and the table, `d` reads `c`. */
beforeAll(async () => {
  await sql.unsafe(`
    create schema age;
    create table age.t as select 1 as n;
    create materialized view age.a as select n from age.t;
    create view age.between as select n from age.a;
    create materialized view age.b as select n from age.between;
    create materialized view age.c as select b.n from age.b, age.t;
    create materialized view age.d as select n from age.c;
    create unique index on age.a (n);
    create unique index on age.c (n);`)
})

const readAges = () => sql<{ name: string; at: string | null; by: string | null; isAge: boolean }[]>`
  select name, as_of::text as at, held_back_by as by,
         abs(extract(epoch from clock_timestamp() - coalesce(as_of, last_success_at) - staleness)) < 1 as "isAge"
    from viewkeeper.view_status where schema_name = 'age' order by 1`

/** What happens, and what each view is as of then: the step at which `a` saw the table, or `?` if nobody knows. */
const steps: [what: string, act: () => Promise<unknown>, ages: string][] = [
  ['a regular', () => one('a', 'regular'), 'a1'],
  ['b regular', () => one('b', 'regular'), 'a1 b1'],
  ['c concurrent before it has ever been filled by us', () => one('c', 'concurrent'), 'a1 b1 c1'],
  ['d regular', () => one('d', 'regular'), 'a1 b1 c1 d1'],
  ['a concurrent: its readers stay as old as they are', () => one('a', 'concurrent'), 'a5 b1 c1 d1'],
  ['d of an old parent', () => one('d', 'auto'), 'a5 b1 c1 d1'],
  ['c with its reader', () => one('c', 'swap'), 'a5 b1 c1 d1'],
  ['b with all that read it', () => one('b', 'swap'), 'a5 b5 c5 d5'],
  ['a batch exchanges all at one moment', () => all('together'), 'a9 b9 c9 d9'],
  ['a batch, each view by itself', () => all('each'), 'a10 b10 c10 d10'],
  ['somebody refreshes a', () => sql`refresh materialized view age.a`, 'a? b10 c10 d10'],
  ['b of a parent whose age nobody knows', () => one('b', 'regular'), 'a? b? c10 d10'],
  ['a again', () => one('a', 'regular'), 'a13 b? c10 d10'],
  ['c of a parent whose age nobody knows', () => one('c', 'regular'), 'a13 b? c? d10'],
  ['b again', () => one('b', 'regular'), 'a13 b13 c? d10'],
  [
    'somebody makes d anew',
    () => sql.unsafe('drop materialized view age.d; create materialized view age.d as select n from age.c'),
    'a13 b13 c? d?',
  ],
  ['c with d', () => one('c', 'swap'), 'a13 b13 c13 d13'],
  [
    'somebody rewrites the file of b: the data are the same, but nobody can know',
    () => rewrite(sql, 'age.b'),
    'a13 b? c13 d13',
  ],
  ['b once more', () => one('b', 'regular'), 'a13 b13 c13 d13'],
  ['a grant changes no data', () => sql`grant select on age.a to public`, 'a13 b13 c13 d13'],
  ['b is set aside', () => setAside(database, { ...aside, reading: ['age.a'] }), 'a13'],
  ['and put back', () => putBack(database, back), 'a13 b13 c13 d13'],
]
test('a view is as of the oldest data in it, through four levels, whatever has filled it', async () => {
  const moments = new Map<string | null, number | string>([[null, '?']])
  for (const [at, [what, act, expected]] of steps.entries()) {
    await act()
    const ages = await readAges()
    const own = ages[0]?.at ?? null
    if (!moments.has(own)) moments.set(own, at + 1)
    const told = ages.map(({ name, at: moment }) => `${name}${moments.get(moment)}`).join(' ')
    expect(`${what}: ${told}`).toBe(`${what}: ${expected}`)
    for (const { name, at: moment, by, isAge } of ages) {
      expect(isAge).toBe(true)
      if (name !== 'a' && moment !== null) expect(by).toBe('age.a')
    }
  }
})
