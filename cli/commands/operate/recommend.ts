import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readRecommendations } from '../../api/reads.ts'
import { recommendationLines } from '../../output/plan.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface RecommendOptions extends ApiOptions {
  json?: boolean
}

/** Declares `recommend`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'recommend'))
    .description('say what to change about views, with the evidence; changes nothing')
    .action((options) => recommend(options))
}

/** Prints what to change about views, why, and how sure that is. Changes nothing. */
export async function recommend({ json, ...options }: RecommendOptions): Promise<void> {
  const found = await readRecommendations(await apiOf(options))
  if (json) return printJson(found)
  print(...recommendationLines(found, output()))
}
