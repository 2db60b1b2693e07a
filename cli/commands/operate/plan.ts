import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readPlan } from '../../api/reads.ts'
import { planLines } from '../../output/plan.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface PlanOptions extends ApiOptions {
  json?: boolean
}

/** Declares `plan`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'plan'))
    .description('foretell the refreshes of the coming 24 hours, the load, and which promises break')
    .action((options) => plan(options))
}

/** Prints which views are refreshed how often in the coming day, the load by hour, and the promises that break. */
export async function plan({ json, ...options }: PlanOptions): Promise<void> {
  const found = await readPlan(await apiOf(options))
  if (json) return printJson(found)
  print(...planLines(found, output()))
}
