import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { define, deleteRows } from '../../support/record/rows.ts'
import { definition, FrozenFolder, migrateCall } from '../../support/views/frozen.ts'
import type { Scene, Way } from './ways.ts'
import { keeper, type World } from './world.ts'

const queryOf = (schema: string, more = '') =>
  `select t.id, t.n${more}, (select count(*) from (select x from ${schema}.spill order by x offset 0) s) as sorted from ${schema}.t, gates.pass('building')`

/**
 * Makes what a way works on: a table whose one row has a number, and views that show the number. It is 1 when the views are made,
 * and 2 when the way begins. The table `moments` says by when each number was committed.
 */
export async function makeScene(
  { sql, clientUrl }: World,
  { views, checked }: Way,
  { schema, migrations }: Scene,
  isMigrated: boolean,
): Promise<void> {
  await sql.unsafe(`
    create schema ${schema} authorization ${keeper};
    create table ${schema}.moments (n bigint, at timestamptz);
    set role ${keeper};
    create table ${schema}.t (id integer primary key, n bigint);
    create table ${schema}.spill (x text);
    insert into ${schema}.t values (1, 1);
    reset role`)
  if (isMigrated) await freezeTwice({ sql, clientUrl }, { schema, migrations })
  else
    await sql.unsafe(
      `set role ${keeper}; create materialized view ${schema}.base as ${queryOf(schema)}; reset role`,
    )
  await sql.unsafe(`
    set role ${keeper};
    create unique index if not exists base_key on ${schema}.base (id);
    create index base_gate on ${schema}.base (gates.index(n));
    comment on materialized view ${schema}.base is 'kept';
    grant select on ${schema}.base to pg_monitor;
    create view ${schema}.plain as select id, n from ${schema}.base;
    reset role`)
  if (views.length > 1)
    await sql.unsafe(`
      set role ${keeper};
      create materialized view ${schema}.mid as select id, n from ${schema}.plain;
      create unique index mid_key on ${schema}.mid (id);
      create materialized view ${schema}.top as select m.id, m.n from ${schema}.mid m join ${schema}.base b using (id);
      create unique index top_key on ${schema}.top (id);
      reset role`)
  const checks = {
    notEmpty: true,
    notNull: ['id', 'n'],
    'at the gate': `select from base where n + gates.pass('checking') < 0`,
  }
  for (const view of views)
    await define(sql, `${schema}.${view}`, {
      timeout_seconds: 30,
      retries: 1,
      retry_delay_seconds: 0,
      // The gate reads no view. Without this, nobody would know as of when the data of `base` are.
      ...(view === 'base' ? { depends_on: ['t'] } : {}),
      ...(checked && view === 'base' ? { checks: sql.json(checks) } : {}),
    })
  await bump(sql, schema)
}

/** A view that one migration makes and the next one changes: the second is what is migrated. */
async function freezeTwice(
  { sql, clientUrl }: Pick<World, 'sql' | 'clientUrl'>,
  scene: Scene,
): Promise<void> {
  const { schema } = scene
  const folder = new FrozenFolder(new URL(scene.migrations).pathname)
  const view = (sql: string) =>
    definition('base', sql, {
      schema,
      indexes: [{ name: 'base_key', unique: true, on: '(id)' }],
      timeoutSeconds: 30,
    })
  await folder.freeze([view(queryOf(schema))])
  await migrateUp(migrateCall(connectTo(fromUrl(clientUrl))), await folder.read())
  await deleteRows(sql, 'runs', { schemaName: schema })
  await folder.freeze([view(queryOf(schema, ', t.n * 2 as twice'))])
}

/** Commits the next number. False if somebody has the table. */
export async function bump(sql: Sql, schema: string): Promise<boolean> {
  try {
    await sql.begin((part) => [
      part.unsafe("set local lock_timeout = '200ms'"),
      part.unsafe(`update ${schema}.t set n = n + 1`),
    ])
  } catch {
    return false
  }
  await sql.unsafe(`insert into ${schema}.moments select n, clock_timestamp() from ${schema}.t`)
  return true
}
