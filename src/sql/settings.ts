import { Problem } from '../words/problem.ts'

/**
 * The search path of our own statements, on which each name means an object of the catalog. On an empty path, the server
 * would search the temporary schema first, where a function of a view could make a type called `text`.
 */
export const safePath = 'pg_catalog, pg_temp'

/** The setting of a session that has the search path of our login, while the path is `safePath`. */
export const rolePathSetting = 'viewkeeper.role_path'

/** Takes `pg_catalog` and `pg_temp` off the `path` of a live view: the schemas that its operators need. */
export const operatorsPath = (path: string): string => path.replace(/^pg_catalog, (?:(.*), )?pg_temp$/s, '$1')

/**
 * Our own settings: how the server writes values and names as SQL, and reads them. pg_dump sets most of these, too. DateStyle has
 * no order of day and month: the database decides how it reads a date of an author.
 * `jit`: to compile the proof of a swap takes seconds, to execute it 7 ms.
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

/** The setting of a session that has the login's values of these settings, as JSON. Queries of others compute rows under them. */
export const loginSettings = 'viewkeeper.login_settings'

const own = (set: 'set' | 'set local'): string =>
  Object.entries(settings)
    .map(([name, value]) => `${set} ${name} to '${value}'`)
    .join(';')

/**
 * The first statements of each connection, and those after each `reset all`. They save the search path and the settings of our
 * login, then set `safePath` and our own settings. The first one has no operator, no type and no name without a schema, so it
 * executes nobody's code on any path. Start-up settings would come earlier, but then the server tells nobody what the login, the
 * database or the whole server had set.
 *
 * Nothing of this is compiled, whatever `jit` the login has.
 *
 * The last ones undo defaults of a role or database. transaction_timeout (since 17; older servers refuse it at start-up) would end a long
 * fill. With synchronous_commit off, a crash could lose what was answered; stronger values stay. In a session of kind `replica`,
 * the triggers of schema viewkeeper would not fire.
 */
export const makeSafe = `
  set jit_above_cost to -1;
  select pg_catalog.set_config('${rolePathSetting}', pg_catalog.current_setting('search_path'), false),
         pg_catalog.set_config('search_path', '${safePath}', false);
  select set_config('${loginSettings}', json_object_agg(n, current_setting(n))::text, false) from unnest('{${Object.keys(settings)}}'::text[]) n;
  ${own('set')};
  reset jit_above_cost;
  select set_config('transaction_timeout', '0', false) where current_setting('transaction_timeout', true) <> '0';
  select set_config('synchronous_commit', 'local', false) where current_setting('synchronous_commit') = 'off';
  select set_config('session_replication_role', 'origin', false)
   where current_setting('session_replication_role') = 'replica' and has_parameter_privilege('session_replication_role', 'set')`

/** The statement that sets the login's own settings for the rest of the transaction, before a query of others. `except`: a setting to leave. */
export const takeLoginSettings = (except = ''): string =>
  `select set_config(key, value, true) from json_each_text(current_setting('${loginSettings}')::json) where key <> '${except}'`

/** Undoes `takeLoginSettings`. These statements have no name that the server looks up on a search path. */
export const takeOwnSettings = own('set local')

/** The only settings that a definition may have: of memory, parallel workers, I/O and planning, and the search path of its own SQL. */
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
 * The settings of a definition for its operations: `search_path` becomes `rolePathSetting`, so that only the view's own SQL has it.
 * Throws InvalidRequest, which names all settings that are not allowed.
 */
export function readSettings(view: string, settings: Record<string, unknown>): Record<string, string> {
  const { search_path: path, ...others } = settingTexts(view, settings)
  return path === undefined ? others : { ...others, [rolePathSetting]: path }
}

/** The settings of a definition with their values as texts. Throws InvalidRequest like `readSettings`. */
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

/** How an environment treats refreshes that would change nothing. */
export interface SkipUnchanged {
  /** Whether they are left out even if only the server's counters prove it. A definition may decide otherwise. */
  skipUnchanged?: boolean | undefined
  /** The hours after which a view is refreshed in any case. */
  skipAtMostHours?: number | undefined
}

/** Settings of each session that have these. Schema step 006_inputs has the same words. */
const skipSetting = 'viewkeeper.skip_unchanged'
const skipHoursSetting = 'viewkeeper.skip_at_most_hours'

/** The start-up settings of a session. */
export const skipSettings = ({ skipUnchanged, skipAtMostHours }: SkipUnchanged): Record<string, string> => ({
  ...(skipUnchanged === undefined ? {} : { [skipSetting]: String(skipUnchanged) }),
  ...(skipAtMostHours === undefined ? {} : { [skipHoursSetting]: String(skipAtMostHours) }),
})

/** SQL for whether refreshes of definition `d` are left out if counters have not moved. */
export const skipsUnchanged = `coalesce(d.skip_unchanged, nullif(current_setting('${skipSetting}', true), '')::boolean, false)`

/** The setting of a session that has the name of the environment's default owner of views. */
export const defaultOwnerSetting = 'viewkeeper.view_owner'

/** The setting of a session that has the environment's `regularUpToMs`. Default: 0. */
export const regularUpToSetting = 'viewkeeper.regular_up_to_ms'

/** The setting of a session in which a transaction notes the checks that it has made, as JSON. */
export const madeChecks = 'viewkeeper.checks'
