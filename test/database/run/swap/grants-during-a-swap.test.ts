import { beforeAll, beforeEach, expect, test } from 'vitest'
import { refresh } from '../../../../src/run/refresh.ts'
import { eachGroup } from '../../../support/deep.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { gatedGroup, makeGatedGroup, shadowSchemas } from '../../../support/views/gated-group.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { whileLocked } from '../../../support/waiting/holder.ts'
import { untilToldToComeBack } from '../../../support/waiting/told.ts'

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const [owner, reader, other, app] = ['owner', 'reader', 'other', 'app'].map((name) => `${name}_${suffix}`)

beforeAll(async () => {
  await sql.unsafe(`
    create role "${owner}"; create role "${reader}"; create role "${other}"; create role "${app}" login password 'secret';
    grant "${owner}", "${reader}" to "${app}"; grant usage on schema viewkeeper to "${app}";
    grant all on all tables in schema viewkeeper to "${app}"; grant all on schema public to "${owner}";
    do $$ begin execute format('grant create on database %I to "${app}"', current_database()); end $$`)
})

/** Privileges of every kind. The third makes a grant by somebody who is not the owner, and the last takes one away. */
const change = (view: string) => `
  grant select on ${view} to "${reader}" with grant option;
  grant update (id) on ${view} to public;
  set role "${reader}"; grant select on ${view} to "${other}"; reset role;
  revoke insert on ${view} from "${reader}"`

const privileges = (...views: string[]) => sql`
  select c.relname, a.attname, e.grantor::regrole, e.grantee::regrole, e.privilege_type, e.is_grantable
    from pg_class c
    left join pg_attribute a on a.attrelid = c.oid and a.attacl is not null,
         aclexplode(coalesce(a.attacl, c.relacl)) e
   where c.relname = any (${views})
   union all
  select c.relname, null, e.* from pg_class c, aclexplode(c.relacl) e where c.relname = any (${views})
   order by 1, 2 nulls first, 3, 4, 5`

const leftovers = () =>
  sql`select relname as name from pg_class where relname like 'viewkeeper\\_%' and relnamespace = 'public'::regnamespace`

eachGroup(
  [
    ['a superuser', () => database],
    ['a member of the owner and of the grantor', () => as(app as string).database],
  ],
  { quick: 1 },
)('privileges that change during a rebuild by %s', (_, by) => {
  beforeEach(async () => {
    await sql.unsafe(`
      drop materialized view if exists granted, base_base cascade; drop function if exists granted_gate, base_mid_gate cascade;
      drop table if exists base_t cascade`)
  })

  const swap = (view: string) => refresh({ view, strategy: 'swap' }, callOn(by()))
  const give = (...views: string[]) =>
    sql.unsafe(
      views
        .map((view) => `alter table ${view} owner to "${owner}"; grant insert on ${view} to "${reader}"`)
        .join(';'),
    )

  test('are on the new view, and the rebuild is not in vain', async () => {
    await makeGatedView(sql, 'granted')
    await sql.unsafe(`grant execute on function granted_gate to "${owner}"`)
    await give('granted')
    const [old] = await sql`select 'granted'::regclass::oid as oid`
    await withGateClosed(sql, 'granted', async (open) => {
      const swapped = swap('granted')
      await untilAtGate(sql, 'granted')
      await sql.unsafe(change('granted'))
      const before = await privileges('granted')
      await open()
      expect(await swapped).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
      expect(await privileges('granted')).toEqual(before)
    })
    expect(await sql`select 'granted'::regclass::oid as oid`).not.toEqual([old])
    expect(await leftovers()).toEqual([])
  })

  test('are on the new views of a group', async () => {
    await makeGatedGroup(sql, 'base')
    const views = [...gatedGroup('base'), 'base_plain']
    await give(...views, 'base_t')
    const [old] = await sql`select 'base_top'::regclass::oid as oid`
    await withGateClosed(sql, 'base_mid', async (open) => {
      const swapped = swap('base_base')
      await untilAtGate(sql, 'base_mid')
      await sql.unsafe(views.map(change).join(';'))
      const before = await privileges(...views)
      await open()
      expect(await swapped).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
      expect(await privileges(...views)).toEqual(before)
    })
    expect(await sql`select 'base_top'::regclass::oid as oid`).not.toEqual([old])
    expect([await leftovers(), await shadowSchemas(sql)]).toEqual([[], []])
  })

  test('while the exchange waits for a reader are on the new view', async () => {
    await sql.unsafe('create materialized view granted as select 1 as id')
    await give('granted')
    await whileLocked(url, 'select from granted', async ({ letGo }) => {
      const swapped = swap('granted')
      await untilToldToComeBack(sql)
      await sql.unsafe(change('granted'))
      const before = await privileges('granted')
      await letGo()
      expect(await swapped).toMatchObject({ status: 'updated' })
      expect(await privileges('granted')).toEqual(before)
    })
  })
})
