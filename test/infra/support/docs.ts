import { readFileSync } from 'node:fs'
import { costTable } from './cost.ts'
import { panelTable } from './panels.ts'
import { databases, kinds } from './synth.ts'

/** A part of the documentation that is made from a template, between two comments that name it. */
interface MadePart {
  page: URL
  name: string
  text: string
}

const page = (name: string) => new URL(`../../../docs/${name}`, import.meta.url)

export const madeParts: MadePart[] = [
  { page: page('monitoring.md'), name: 'panels', text: panelTable(kinds.created.template) },
  { page: page('cost.md'), name: 'costs', text: costTable(kinds.created, databases.created) },
]

/** A part's page as it is, and as it would be with that part made anew. */
export function readPage({ page, name, text }: MadePart): { written: string; made: string } {
  const begin = `<!-- ${name}: made by \`npm run docs\` from the template -->\n`
  const end = `<!-- end of ${name} -->`
  const written = readFileSync(page, 'utf8')
  const [before, rest = ''] = written.split(begin)
  const [, after] = rest.split(end)
  if (after === undefined) throw new Error(`${page} has no place for ${name}`)
  return { written, made: `${before}${begin}${text}${end}${after}` }
}
