import { globSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addCommands } from '../../../cli/program.ts'

// Each command that the sources print, wherever that is, is one that the command line takes: its words, its options, also those that it needs, and how many arguments it has.

const program = new Command()
await addCommands(program, undefined)

/** Where a command is made of words: `command(['why', view], typed)`, `type('migrate', 'up')`. */
const made = /(?<![.\w])(?:command|type)\(\s*(?:\[([^\]]*)\]|((?:'[^']*'|[^()'])*))/g
/** Where one stands in a text, which may go on in prose: the command, and options after it. Between a colon and the end of the text, or with options, it is whole. */
const written =
  /(: (?:npx )?)?(?<![\w/.-])viewkeeper ([a-z][a-z-]+)((?: (?:up|create|--[a-z][a-z-]+(?: (?:'<\w+>'|\$\{\w+\}))?))*)(?=(['"`])?)/g

const sources = globSync('{cli,src,serve,local,page,functions,infra}/**/*.{ts,tsx}', {
  exclude: ['local/embedded/**'],
})

/** The commands of a source, each as its words; `…` is a word that is not known, `...` several, or prose. */
function printedIn(source: string): string[][] {
  const text = readFileSync(source, 'utf8')
  const ofWords = [...text.matchAll(made)].map(([, list, said = '']) =>
    (list ?? said)
      .split(',')
      .map((word) => word.trim())
      .filter(Boolean)
      .map((word) => /^'([^']*)'$/.exec(word)?.[1] ?? (word.startsWith('...') ? '...' : '…')),
  )
  const inTexts = [...text.matchAll(written)]
    .map(([, colon, name = '', more = '', end]) => {
      const words = [name, ...more.split(' ').filter(Boolean)]
      return end !== undefined && (colon || more.includes('--')) ? words : [...words, '...']
    })
    .filter(([name, more]) => more?.startsWith('--') || program.commands.some((each) => each.name() === name))
  return [...ofWords.filter(([first]) => /^[a-z]/.test(first ?? '')), ...inTexts]
}

/** The command that words name, and the words after it. */
function find(words: string[], within: Command = program): [Command, string[]] {
  const child = within.commands.find((each) => each.name() === words[0])
  return child === undefined ? [within, words] : find(words.slice(1), child)
}

/** What is wrong with a command; null: the command line takes it. */
function faultOf(words: string[]): string | null {
  const [found, rest] = find(words)
  if (found === program) return 'is no command'
  const options = rest.filter((word) => word.startsWith('--'))
  const unknown = options.filter((word) => !found.options.some(({ long }) => long === word))
  if (unknown.length > 0) return `has no ${unknown}`
  const lacks = found.options.filter(
    ({ mandatory, long, short }) => mandatory && !rest.some((word) => word === long || word === short),
  )
  if (lacks.length > 0 && !rest.includes('...')) return `lacks ${lacks.map(({ long }) => long)}`
  const taking = found.options.filter(({ long, required }) => required && options.includes(long!)).length
  const given = rest.filter((word) => !word.startsWith('--') && word !== '...').length - taking
  const takes = found.registeredArguments
  if (!takes.some(({ variadic }) => variadic) && given > takes.length)
    return `takes ${takes.length} arguments`
  return found.commands.length > 0 && rest.length === 0 ? 'is no command of its own' : null
}

test('every command that the sources print is taken by the command line', () => {
  const printed = sources.flatMap((source) => printedIn(source).map((words) => ({ source, words })))
  expect(printed.length).toBeGreaterThan(60)
  expect(
    printed.flatMap(({ source, words }) => {
      const fault = faultOf(words)
      return fault === null ? [] : [`${source}: ${words.join(' ')} ${fault}`]
    }),
  ).toEqual([])
})
