import { Problem } from '../../src/problem.ts'
import type { Facts } from './facts.ts'

/**
 * The CDK app of a folder: none, none that is wanted (`serve`), the one that `init` makes, another one in JavaScript or TypeScript, or one in a language in
 * which the construct does not exist.
 */
export type CdkApp = 'none' | 'serve' | 'own' | 'javascript' | 'other'

export const binFile = 'bin/viewkeeper.mjs'

/** Which CDK app a folder has, by its cdk.json. */
export function cdkAppOf({ texts, serves }: Pick<Facts, 'texts' | 'serves'>): CdkApp {
  if (serves) return 'serve'
  const text = texts.get('cdk.json')
  if (text === undefined) return 'none'
  if (text.includes(binFile)) return 'own'
  const { app } = parseJson('cdk.json', text)
  return /\b(node|ts-node|tsx|npx|bun|bunx|deno|npm|pnpm|yarn)\b/.test(String(app)) ? 'javascript' : 'other'
}

/** Whether `init` makes what deploys the folder. */
export const isDeployed = (app: CdkApp): boolean => app !== 'javascript' && app !== 'serve'

/** Reads a file of JSON. Refuses (InvalidRequest) a text that is none. */
// biome-ignore lint/suspicious/noExplicitAny: what people write into package.json has no type
export function parseJson(path: string, text: string): Record<string, any> {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem(
      'InvalidRequest',
      `${path} is not JSON (${(cause as Error).message}). Correct it, then run npx viewkeeper init again. Nothing was written.`,
      { cause: cause as Error },
    )
  }
}
