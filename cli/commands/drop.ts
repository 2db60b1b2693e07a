import { createInterface } from 'node:readline/promises'
import { Problem } from '../../src/problem.ts'
import type { Api } from '../api/api.ts'
import { apiOf } from '../api/api-of.ts'
import { readView } from '../api/reads.ts'
import { short } from '../output/names.ts'
import { isTerminal, print, printJson } from '../output/terminal.ts'
import { startRun } from '../watch/start.ts'
import type { ApiOptions } from './options.ts'

interface DropOptions extends ApiOptions {
  view: string
  cascade?: boolean
  yes?: boolean
  wait: boolean
  json?: boolean
}

/** Drops a view, after somebody at the terminal has said yes. Without a terminal, `yes` is needed. */
export async function drop({ view, cascade, yes, wait, json, ...options }: DropOptions): Promise<void> {
  const api = await apiOf(options)
  if (!yes && !(await agrees(api, view, cascade ?? false))) return
  const run = await startRun(api, { view, operation: 'drop', body: { cascade } }, { wait, json })
  if (json) printJson(run)
}

async function agrees(api: Api, name: string, cascade: boolean): Promise<boolean> {
  if (!isTerminal() || !process.stdin.isTTY)
    throw new Problem('InvalidRequest', 'There is no terminal to ask on: write --yes to drop the view.', {
      field: '--yes',
    })
  const { view, neededBy } = await readView(api, name)
  if (cascade && neededBy.length > 0)
    print(`these views read it, and are dropped, too: ${neededBy.map(short).join(', ')}`)
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await lines.question(`Drop ${short(view)} in ${api.name}? Type its name to drop it: `)
    if (answer.trim() === short(view) || answer.trim() === view) return true
    print('not dropped')
    process.exitCode = 1
    return false
  } finally {
    lines.close()
  }
}
