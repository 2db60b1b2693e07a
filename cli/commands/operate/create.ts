import { apiOf } from '../../api/api-of.ts'
import { printJson } from '../../output/terminal.ts'
import { startRun } from '../../watch/start.ts'
import type { ApiOptions } from './options.ts'

interface CreateOptions extends ApiOptions {
  view: string
  force?: boolean
  data: boolean
  wait: boolean
  json?: boolean
}

/** Creates a view from its definition. A view that exists is left as it is, unless `force` is true. */
export async function create({ view, force, data, wait, json, ...options }: CreateOptions): Promise<void> {
  const body = { force, withData: data }
  const run = await startRun(await apiOf(options), { view, operation: 'create', body }, { wait, json })
  if (json) printJson(run)
}
