import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { docsFolder } from '../../../src/package-files.ts'
import { nearest } from '../../../src/plan/nearest.ts'
import { Problem } from '../../../src/problem.ts'
import { output, print } from '../../output/terminal.ts'

/** A section of the docs. */
interface Section {
  file: string
  line: number
  title: string
  text: string[]
}

const mostPlaces = 5
const mostLines = 14

/** Declares `docs`. */
export function addTo(program: Command): void {
  program
    .command('docs')
    .argument('[word...]', 'such as swap, LockTimeout, retryOf, or words of a heading')
    .description('find a place in the docs, and print its beginning')
    .action((words) => docs(words.join(' ')))
}

/** Prints where the docs speak of a word, the best place first and with its beginning. Without a word, lists the pages. */
export async function docs(word: string): Promise<void> {
  const all = sections()
  if (word === '')
    return print(
      ...all.filter(({ line }) => line === 1).map(({ file, title }) => `${pathOf(file)}   ${title}`),
    )
  const found = all
    .map((section) => ({
      section,
      rank: rankOf(section, word.toLowerCase()) / (seldomMeant.test(section.file) ? 1000 : 1),
    }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .slice(0, mostPlaces)
    .map(({ section }) => section)
  const [best, ...others] = found
  if (best === undefined) {
    const meant = nearest(
      word,
      [...new Set(all.flatMap(({ title }) => title.split(/[^\w-]+/)))].filter(Boolean),
    )
    throw new Problem(
      'InvalidRequest',
      `The docs have no ${JSON.stringify(word)}.${meant ? ` Did you mean ${meant}?` : ''} \`viewkeeper docs\` lists the pages.`,
      { field: 'word' },
    )
  }
  const { paint } = output()
  print(
    `${paint('bold', best.title)}   ${pathOf(best.file)}:${best.line}`,
    '',
    ...best.text.slice(0, mostLines),
    ...(best.text.length > mostLines ? ['…'] : []),
    ...(others.length === 0 ? [] : ['']),
    ...others.map(({ file, line, title }) => `also  ${title}   ${pathOf(file)}:${line}`),
  )
}

/** Pages for those who work on Viewkeeper. Their places come last. */
const seldomMeant = /^(behaviou?rs|decisions|extending)\.md$/

const pathOf = (file: string): string => fileURLToPath(new URL(file, docsFolder))

/** The sections of all pages. A heading within a block of code is none. */
function sections(): Section[] {
  const files = readdirSync(docsFolder)
    .filter((file) => file.endsWith('.md'))
    .sort()
  return files.flatMap((file) => {
    const found: Section[] = []
    let inCode = false
    for (const [at, text] of readFileSync(new URL(file, docsFolder), 'utf8').split('\n').entries()) {
      if (text.startsWith('```')) inCode = !inCode
      const title = inCode ? undefined : /^#+ (.*)$/.exec(text)?.[1]
      if (title !== undefined) found.push({ file, line: at + 1, title: title.replaceAll('`', ''), text: [] })
      else if (found.length > 0 && (text !== '' || found.at(-1)!.text.length > 0))
        found.at(-1)!.text.push(text)
    }
    return found
  })
}

/** How well a section fits: it begins the page of that name; its heading is the word, begins with it, or has it; or its text has it, the more often the better. */
function rankOf({ file, line, title, text }: Section, word: string): number {
  if (line === 1 && file === `${word}.md`) return 2000
  const heading = title.toLowerCase()
  if (heading === word) return 1000
  if (heading.startsWith(word)) return 500
  if (heading.includes(word)) return 300
  return Math.min(200, text.join('\n').toLowerCase().split(word).length - 1)
}
