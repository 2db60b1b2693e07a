import { Problem } from '../words/problem.ts'

/**
 * The search path of our own statements: every name in them means the catalog's object. An empty path is not enough: the
 * server would look in the temporary schema first, where a view's own function could make a type called `text`.
 */
export const safePath = 'pg_catalog, pg_temp'

/** The session's setting that keeps the search path of our login while the path is `safePath`. */
export const rolePathSetting = 'viewkeeper.role_path'

/** The schemas of a path on which the server reads its own text, without those that are on every such path. */
export const operatorsPath = (path: string): string => path.replace(/^pg_catalog, (?:(.*), )?pg_temp$/s, '$1')

/**
 * What decides how the server writes values and names as SQL, and reads them. pg_dump sets most of these, too. Of the dates the
 * style only: which of day and month comes first, when an author writes a date, is the database's.
 * And no statement of ours is compiled: for the proof of a swap that takes seconds, for 7 ms of work.
 */
const settings = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  jit: 'off',
  standard_conforming_strings: 'on',
}

/** The session's setting that keeps the same settings of our login, as JSON. Queries of others compute their rows under these. */
export const loginSettings = 'viewkeeper.login_settings'

const own = (set: 'set' | 'set local'): string =>
  Object.entries(settings)
    .map(([name, value]) => `${set} ${name} to '${value}'`)
    .join(';')

/**
 * The first statements of every connection, and the next ones after each `reset all`: they keep the search path and the settings
 * of our login, and set `safePath` and our own. The first one has no operator, no type and no name without a schema, so it
 * executes nobody's code under any path. Start-up settings would do the same earlier, but the server would then tell nobody what
 * those of the login are: they may be set for the login, the database or the whole server.
 *
 * Then come limits that a role may have: for whole transactions, since 17, because ours fill views; older servers refuse it as a
 * start-up setting. On a replica's session the triggers of schema viewkeeper do not fire. And what has been answered is on disk,
 * whatever the database says by default; a stronger setting stays.
 */
export const makeSafe = `
  select pg_catalog.set_config('${rolePathSetting}', pg_catalog.current_setting('search_path'), false),
         pg_catalog.set_config('search_path', '${safePath}', false);
  select set_config('${loginSettings}', json_object_agg(n, current_setting(n))::text, false) from unnest('{${Object.keys(settings)}}'::text[]) n;
  ${own('set')};
  select set_config('transaction_timeout', '0', false) where current_setting('transaction_timeout', true) <> '0';
  select set_config('synchronous_commit', 'local', false) where current_setting('synchronous_commit') = 'off';
  select set_config('session_replication_role', 'origin', false)
   where current_setting('session_replication_role') = 'replica' and has_parameter_privilege('session_replication_role', 'set')`

/** The statement before the execution of a query of others, in a transaction. It may leave settings out. */
export const takeLoginSettings = (except = ''): string =>
  `select set_config(key, value, true) from json_each_text(current_setting('${loginSettings}')::json) where key <> '${except}'`

/** Ends `takeLoginSettings`. The statements have nothing that is looked up on a path. */
export const takeOwnSettings = own('set local')

/** The only settings that a definition may change: memory, parallel workers, I/O and planning; and the path of its own SQL. */
const allowedSettings = [
  'effective_io_concurrency',
  'enable_hashagg',
  'enable_mergejoin',
  'enable_nestloop',
  'hash_mem_multiplier',
  'jit',
  'maintenance_io_concurrency',
  'maintenance_work_mem',
  'max_parallel_maintenance_workers',
  'max_parallel_workers_per_gather',
  'random_page_cost',
  'search_path',
  'temp_buffers',
  'work_mem',
] as const

/**
 * The settings of a definition as its operations take them: only its own SQL sees its search path. Refuses settings that are not on
 * the list, and names each.
 */
export function readSettings(view: string, settings: Record<string, unknown>): Record<string, string> {
  const { search_path: path, ...others } = settingTexts(view, settings)
  return path === undefined ? others : { ...others, [rolePathSetting]: path }
}

/** The settings of a definition as texts. */
export function settingTexts(view: string, settings: Record<string, unknown>): Record<string, string> {
  const allowed: readonly string[] = allowedSettings
  const refused = Object.keys(settings).filter((name) => !allowed.includes(name))
  if (refused.length > 0) {
    throw new Problem(
      'InvalidRequest',
      `The definition of ${view} has settings that Viewkeeper does not allow: ${refused.join(', ')}. ` +
        `Allowed are ${allowedSettings.join(', ')}.`,
      { field: 'settings' },
    )
  }
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]))
}

/** The server's setting that notes the checks made in a transaction, as JSON. */
export const madeChecks = 'viewkeeper.checks'
