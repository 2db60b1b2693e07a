import type { Command } from 'commander'
import type { Why } from '../../../src/edge/http/schemas/answers.ts'
import { aimed } from '../../../src/plan/commands.ts'
import { apiOf } from '../../api/api-of.ts'
import { viewPath } from '../../api/reads.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { whyLines } from '../../output/why.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface WhyOptions extends ApiOptions {
  view: string
  json?: boolean
}

/** Declares `why`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'why'))
    .argument('<view>')
    .description('say why a view is so old, and what to do')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper why sales -e production`,
    )
    .action((view, options) => why({ view, ...options }))
}

/** Prints why a view is as old as it is, who is in the way, and what to type. */
export async function why({ view, json, ...options }: WhyOptions): Promise<void> {
  const api = await apiOf(options)
  const { body: told } = await api.send<Why>('GET', viewPath(view, '/why'))
  const body = {
    ...told,
    causes: told.causes.map((cause) => ({ ...cause, next: cause.next && aimed(cause.next, api.typed) })),
  }
  if (json) return printJson(body)
  print(...whyLines(body, new Date(), output()))
}
