import { readFileSync } from 'node:fs'

/** The first code below a heading of a page of `docs/`, as its reader copies it. */
export function recipeOf(page: string, heading: string): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const [, code] = /^```\w+\n(.*?)^```/ms.exec(text.split(`\n## ${heading}\n`)[1] ?? '') ?? []
  if (code === undefined) throw new Error(`docs/${page} has no code below ${heading}`)
  return code
}
