// @module-tag deep

import { describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { changedObjects, namedCatalog } from '../../support/catalog/named-catalog.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { addRows, filledMembers, makeOddGroup, oddMembers } from '../../support/views/odd-group.ts'

describe.each(['superuser', 'member of the owners'])('an odd group of 20 views, exchanged by a %s', (who) => {
  const { database, sql, url, as } = useDatabase()

  test('has new data, and the catalog of everything is what it was', async () => {
    const suffix = url.slice(-8)
    const roles = await makeOddGroup(sql, suffix)
    await addRows(sql, 10, 14)
    const on = who === 'superuser' ? database : await login(roles)
    const before = await namedCatalog(sql)
    for (const last of [17, 20]) {
      await addRows(sql, last - 2, last)
      const result = await refresh({ view: 'a.root', strategy: 'swap' }, callOn(on))
      expect(result.error).toBeUndefined()
      expect(result).toMatchObject({
        status: 'updated',
        response: { strategy: 'swap', rowCountAfter: last },
      })
      // All but the root, with the one that holds no data.
      expect(result.response.group).toHaveLength(filledMembers.length)
      const after = await namedCatalog(sql)
      expect(after.rows).toEqual(before.rows)
      expect(changedObjects(before, after).filter((name) => !hangsOnMember(name))).toEqual([])
      expect(await differences()).toEqual([])
    }
    expect(await sql`select relname, relispopulated from pg_class where relname = 'un-filled'`).toEqual([
      { relname: 'un-filled', relispopulated: false },
    ])
    expect(await whatWorks()).toEqual({ outside: 20, log: ["Instead; ofit's"] })
  })

  /** A login with nothing but the membership in the owners and grantors, and the right to make schemas. */
  async function login(roles: string[]): Promise<Database> {
    const app = `app_${url.slice(-8)}`
    await sql.unsafe(`
      create role ${app} login password 'secret'; grant ${roles.join(', ')} to ${app};
      grant usage on schema viewkeeper to ${app}; grant all on all tables in schema viewkeeper to ${app};
      do $$ begin execute format('grant create on database %I to ${app}', current_database()); end $$`)
    return as(app).database
  }

  /** The members whose rows are not those of their queries. */
  async function differences(): Promise<string[]> {
    const different: string[] = []
    for (const member of filledMembers) {
      const [definition] = await sql`select rtrim(pg_get_viewdef(${member}::regclass), ';') as query`
      const rows = (from: string) =>
        `select coalesce(string_agg(x::text, ';' order by x::text collate "C"), 'none') from (${from}) x`
      const [row] = await sql.unsafe(
        `select (${rows(`table ${member}`)}) as stored, (${rows(definition?.query)}) as computed`,
      )
      if (row?.stored !== row?.computed || row?.stored === 'none') different.push(member)
    }
    return different
  }

  /** What a trigger and a plain view outside do after the exchange. */
  async function whatWorks() {
    const [outside] = await sql`select max(id) as most from a.outside`
    await sql`insert into a.same (id) values (1)`
    const log = await sql`select what from a.log order by 1`
    return { outside: outside?.most, log: log.map(({ what }) => what) }
  }
})

/** Whether an object is a member or hangs on one: an index or statistics by its own name, all others by the member's. */
const hangsOnMember = (name: string): boolean =>
  oddMembers.some((member) => bare(name).endsWith(bare(member))) || indexOrStatistics.test(bare(name))

const bare = (name: string) => name.replaceAll(/"|\[\]$/g, '')
const indexOrStatistics =
  /\.(root(; key|_\w+)?|Root stat|expressions|Reads both_varchar_idx|Ünï çödé|é+_\w+|é+)$/
