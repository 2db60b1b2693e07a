import { createHash } from 'node:crypto'
import type { Sql } from '../../../src/server/database.ts'
import { literal, quoteIdentifier } from '../../../src/sql/names.ts'
import { type Seeded, seeded } from '../seeded.ts'

/**
 * With SETTINGS_SEED, each test file's databases have a random value of about every second setting that a user may set: what
 * Viewkeeper does must not depend on any. A failure prints the seed and the settings.
 */
export const settingsSeed = process.env.SETTINGS_SEED

/** What a session of a test itself has in any case: how it reads values, and what it can do at once. Tests compare texts. */
export const ofTestsThemselves: Record<string, string> =
  settingsSeed === undefined
    ? {}
    : {
        DateStyle: 'ISO, MDY',
        IntervalStyle: 'postgres',
        TimeZone: 'UTC',
        extra_float_digits: '1',
        bytea_output: 'hex',
        array_nulls: 'on',
        standard_conforming_strings: 'on',
        backslash_quote: 'safe_encoding',
        quote_all_identifiers: 'off',
        xmloption: 'content',
        default_table_access_method: 'heap',
        search_path: '"$user", public',
        default_transaction_isolation: 'read committed',
        default_transaction_read_only: 'off',
        default_transaction_deferrable: 'off',
        stats_fetch_consistency: 'cache',
        client_min_messages: 'notice',
        check_function_bodies: 'on',
        transform_null_equals: 'off',
      }

/** What no test has: settings that refuse something on purpose, change results by their meaning, or only fill logs. */
const left = [
  'application_name',
  'exit_on_error',
  'file_copy_method',
  'gin_fuzzy_search_limit',
  'local_preload_libraries',
  'password_encryption',
  'restrict_nonsystem_relation_kind',
  'row_security',
  'transaction_deferrable',
  'transaction_isolation',
  'transaction_read_only',
  'vacuum_buffer_usage_limit',
]
const leftKinds = /^(debug_(print|pretty|logical)|log_|trace_|wal_sender|tcp_)/

const texts: Record<string, string[]> = {
  DateStyle: ['ISO, DMY', 'SQL, DMY', 'German', 'Postgres, MDY'],
  TimeZone: ['Asia/Kathmandu', 'America/New_York', 'Pacific/Chatham', 'UTC'],
  client_encoding: ['LATIN1', 'UTF8'],
  createrole_self_grant: ['set', 'inherit', 'set, inherit'],
  default_table_access_method: ['heap', 'second_heap'],
  default_text_search_config: ['pg_catalog.english', 'pg_catalog.simple'],
  lc_monetary: ['C'],
  lc_numeric: ['C'],
  lc_time: ['C'],
  search_path: ['$user, nowhere, public', '$user, public, pg_temp', '$user, public, pg_catalog'],
}

/** Values beyond which a setting only takes the machine's memory or time. */
const most: Record<string, number> = {
  cpu_index_tuple_cost: 10,
  cpu_operator_cost: 10,
  cpu_tuple_cost: 10,
  default_statistics_target: 500,
  from_collapse_limit: 20,
  geqo_generations: 50,
  geqo_pool_size: 50,
  geqo_threshold: 20,
  hash_mem_multiplier: 4,
  join_collapse_limit: 20,
  logical_decoding_work_mem: 64_000,
  maintenance_work_mem: 64_000,
  max_parallel_maintenance_workers: 2,
  max_parallel_workers_per_gather: 4,
  parallel_setup_cost: 1e6,
  parallel_tuple_cost: 10,
  random_page_cost: 1000,
  recursive_worktable_factor: 100,
  scram_iterations: 10,
  seq_page_cost: 1000,
  temp_buffers: 2000,
  vacuum_cost_delay: 1,
  work_mem: 64_000,
}

interface Setting {
  name: string
  kind: 'bool' | 'enum' | 'integer' | 'real' | 'string'
  least: number | null
  greatest: number | null
  values: string[] | null
}

/** Longer than any test: what ends a session or a statement earlier is tested where it is meant. */
const longMs = 7_200_000

function aValueOf({ name, kind, least, greatest, values }: Setting, random: Seeded): string | undefined {
  if (kind === 'bool') return random.oneOf(['on', 'off'])
  if (kind === 'enum') return random.oneOf(values ?? [])
  if (kind === 'string') return name in texts ? random.oneOf(texts[name]!) : undefined
  if (/_timeout$/.test(name)) return random.oneOf(['0', `${longMs}`])
  if (/_check_interval$/.test(name)) return random.oneOf(['0', '1000'])
  const [from, to] = [least ?? 0, Math.min(greatest ?? 0, most[name] ?? 1e9)]
  const between = from + (to - from) * 10 ** -random.below(10)
  return String(
    kind === 'integer' ? random.oneOf([from, to, Math.floor(between)]) : random.oneOf([from, to, between]),
  )
}

/** The server would read a quoted `a, b` as one schema. */
const listOf = (value: string): string => value.split(', ').map(literal).join(', ')

/** Gives the database of `sql` the settings of this test file, and returns the statements that say them. */
export async function setRandomly(sql: Sql, database: string, file: string): Promise<string[]> {
  const hash = createHash('sha256').update(`${settingsSeed} ${file}`).digest()
  const random = seeded(hash.readInt32BE())
  await sql.unsafe('create access method second_heap type table handler heap_tableam_handler')
  const settings = await sql<Setting[]>`
    select name, vartype as kind, min_val::float8 as least, max_val::float8 as greatest, enumvals as values
      from pg_settings where context = 'user' order by name collate "C"`
  const said: string[] = []
  for (const setting of settings) {
    const { name } = setting
    if (left.includes(name) || leftKinds.test(name) || random.below(2) === 0) continue
    const value = aValueOf(setting, random)
    if (value !== undefined)
      said.push(`alter database ${database} set ${quoteIdentifier(name)} to ${listOf(value)}`)
  }
  await sql.unsafe(said.join(';'))
  return said
}
