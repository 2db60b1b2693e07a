import { describe, expect, test } from 'vitest'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { setAside } from '../../../src/set-aside/set-aside.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack } from '../../support/views/alter.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// Owners who have more, or fewer, rights than the server gives them; and those who get what others make.

const folder = useFolders()

describe('a view', () => {
  const { database, sql, url } = useDatabase()
  const [owner, reader] = ['owner', 'reader'].map((name) => `${name}_${url.slice(-8)}`) as [string, string]
  const acl = async (view: string) =>
    (
      await sql`select array(select i::text from unnest(relacl) i order by 1)::text as acl from pg_class where oid = ${view}::regclass`
    )[0]?.acl

  /** A view of the owner, and this SQL as the owner. */
  const makeView = (name: string, then: string) =>
    sql.unsafe(`
      do $$ begin create role ${owner}; create role ${reader}; exception when duplicate_object then null; end $$;
      create schema ${name} authorization ${owner}; set role ${owner};
      create table ${name}.t as select i as id from generate_series(1, 3) i;
      create materialized view ${name}.v as select id from ${name}.t; create unique index on ${name}.v (id);
      ${then.replaceAll('VIEW', `${name}.v`)}; reset role`)

  test('whose owner has the grant option keeps it in a swap, an alter and a change of its privileges', async () => {
    await makeView(
      'generous',
      `grant select on VIEW to ${owner} with grant option; grant select on VIEW to ${reader}`,
    )
    const before = await acl('generous.v')
    expect(before).toContain(`${owner}=ar*`)
    const result = await refresh({ view: 'generous.v' }, callOn(database))
    expect([result.error, result.response.strategy]).toEqual([undefined, 'swap'])
    expect(await acl('generous.v')).toEqual(before)
    await callAlter(database, 'alter table generous.t alter column id type bigint')
    expect(await acl('generous.v')).toEqual(before)
  })

  test('whose owner has revoked all rights from itself is made again and filled, and keeps its privileges', async () => {
    await makeView('hardened', `revoke all on VIEW from ${owner}; grant select on VIEW to ${reader}`)
    const before = await acl('hardened.v')
    await callAlter(database, 'alter table hardened.t alter column id type bigint')
    expect(await acl('hardened.v')).toEqual(before)
    const request = { reading: ['hardened.t'], dryRun: false, requestedBy: 'test', huntMs: 60_000 }
    await setAside(database, request)
    const back = await callPutBack(database)
    expect(back).toMatchObject({ back: [{ name: 'hardened.v' }], misfits: [] })
    expect([await acl('hardened.v'), ...(await sql`select id from hardened.v order by id`)]).toEqual([
      before,
      { id: 1 },
      { id: 2 },
      { id: 3 },
    ])
  })
})

describe('an event trigger that gives what is made to another role', () => {
  const made = useDatabase({ migrated: false })
  const there = useDatabase()
  const role = `group_${made.url.slice(-8)}`
  const makeTrigger = `
    create function own_all() returns event_trigger language plpgsql security definer set search_path = pg_catalog as $$
    declare o record;
    begin
      for o in select * from pg_event_trigger_ddl_commands() where command_tag in ('CREATE TABLE', 'CREATE MATERIALIZED VIEW') and schema_name !~ '^pg_temp' loop
        execute format('alter %s %s owner to ${role}', o.object_type, o.object_identity);
      end loop;
    end $$;
    create event trigger own_all on ddl_command_end execute function own_all()`

  test('is named when schema viewkeeper is made', async () => {
    await made.sql.unsafe(`create role ${role}; ${makeTrigger}`)
    expect(await refusalOf(migrate(made.database, schemaFolder))).toMatchObject({
      code: 'EventTriggerFailed',
      message: expect.stringMatching(
        /belongs to group_\w+ as soon as it is made, because event trigger own_all/,
      ),
    })
    await made.sql`drop event trigger own_all`
    await migrate(made.database, schemaFolder)
  })

  test('is named when a view is made anew, with the role that is not the owner', async () => {
    const owner = `trigger_${made.url.slice(-8)}`
    await there.sql.unsafe(
      `create role ${owner}; grant create, usage on schema public to ${owner}, ${role}; ${makeTrigger}`,
    )
    const frozen = await folder('given away')
    await frozen.freeze([definition('given', 'select 1 as id', { owner })])
    const refusal = await refusalOf(migrateUp(migrateCall(there.database), await frozen.read()))
    expect(refusal.message).toMatch(new RegExp(`Role ${owner} lacks this right.* Event trigger own_all`))
    await there.sql`drop event trigger own_all`
    await migrateUp(migrateCall(there.database), await frozen.read())
  })
})

describe('a right that is missing', () => {
  const { database, sql, url, as } = useDatabase()

  test('to the owner of a table whose foreign key is checked is not said to be missing to the login', async () => {
    const [login, boss] = ['key_login', 'key_boss'].map((name) => `${name}_${url.slice(-8)}`) as [
      string,
      string,
    ]
    await sql.unsafe(`
      create role ${boss}; create role ${login} login password 'secret' in role ${boss};
      grant usage on schema viewkeeper to ${login}; grant all on all tables in schema viewkeeper to ${login};
      alter table viewkeeper.definitions owner to ${boss}`)
    await sql`create materialized view v as select 1 as id`
    await sql.unsafe(`alter materialized view v owner to ${login}`)
    expect((await refusalOf(refresh({ view: 'v' }, callOn(as(login).database)))).message).toMatch(
      new RegExp(`permission denied for schema viewkeeper\\. Role ${boss} lacks this right\\.`),
    )
    await sql.unsafe(`grant usage on schema viewkeeper to ${boss}`)
    expect(await refresh({ view: 'v' }, callOn(database))).toMatchObject({ status: 'updated' })
  })

  test('to the owner of a plain view that own SQL reads is not said to be missing to the login', async () => {
    const owner = `plain_${url.slice(-8)}`
    await sql.unsafe(`
      create role ${owner}; create table hidden (id integer); create view plain as select id from hidden;
      alter view plain owner to ${owner}`)
    const own = await folder('own SQL')
    await own.write('001_count.up.sql', 'reset role; create table counted as select count(*) from plain;')
    const { message } = await refusalOf(migrateUp(migrateCall(database), await own.read()))
    expect(message).toMatch(
      new RegExp(`permission denied for table hidden .*Role ${owner} lacks this right\\.`),
    )
    await sql.unsafe(`grant select on hidden to ${owner}`)
    await migrateUp(migrateCall(database), await own.read())
  })
})
