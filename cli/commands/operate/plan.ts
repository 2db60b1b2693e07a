import type { Command } from 'commander'
import type { Plan } from '../../../src/edge/http/schemas/answers.ts'
import { apiOf } from '../../api/api-of.ts'
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
    .description('say what runs in the coming 24 hours')
    .action((options) => plan(options))
}

/** Prints the schedules that have a turn in the coming day, and what target lags refresh. */
export async function plan({ json, ...options }: PlanOptions): Promise<void> {
  const { body } = await (await apiOf(options)).send<Plan>('GET', '/plan')
  if (json) return printJson(body)
  print(...planLines(body, output()))
}
