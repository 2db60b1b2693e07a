import { Problem } from '../problem.ts'

/** Session settings that a definition may give its operations: how much memory and help a rebuild may use, no more. */
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
  'temp_buffers',
  'work_mem',
] as const

/** The settings of a definition as strings; refuses those that are not on the list, naming each. */
export function readSettings(view: string, settings: Record<string, unknown>): Record<string, string> {
  const allowed: readonly string[] = allowedSettings
  const refused = Object.keys(settings).filter((name) => !allowed.includes(name))
  if (refused.length > 0) {
    throw new Problem(
      'InvalidRequest',
      `The definition of ${view} asks for settings that Viewkeeper does not change: ${refused.join(', ')}. ` +
        `It changes ${allowedSettings.join(', ')}.`,
      { field: 'settings' },
    )
  }
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]))
}
