import { Problem } from '../problem.ts'
import { rolePathSetting } from './search-path.ts'

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
