import { Problem } from '../../src/problem.ts'

/** Reads a file of JSON. Refuses (InvalidRequest) a text that is none. */
// biome-ignore lint/suspicious/noExplicitAny: what people write into package.json has no type
export function parseJson(path: string, text: string): Record<string, any> {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem(
      'InvalidRequest',
      `${path} is not JSON (${(cause as Error).message}). Mend it, then run npx viewkeeper init again. Nothing was written.`,
      { cause: cause as Error },
    )
  }
}
