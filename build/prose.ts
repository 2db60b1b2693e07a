import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import remarkRetext from 'remark-retext'
import retextEnglish from 'retext-english'
import retextIndefiniteArticle from 'retext-indefinite-article'
import retextRepeatedWords from 'retext-repeated-words'
import { unified } from 'unified'
import { VFile } from 'vfile'

// npm run check:prose: the rules of "How we write" in CONTRIBUTING.md that a machine can check without mistakes.

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/README.md',
  ...readdirSync(`${root}/docs`).map((file) => `docs/${file}`),
].filter((file) => file.endsWith('.md'))

/** The words of a sentence, code counted as one, and links by their text. */
const mostWords = 40

/** What a sentence must not have, and what to do instead. */
const rules: { wrong: RegExp; say: string }[] = [
  {
    wrong: /\bkept tables?\b|\blogs? of changes\b/i,
    say: 'says it in no word of the field: incremental table, change log',
  },
  { wrong: /^who(?:ever)?\b(?:.* ){6}.*\.$/i, say: 'begins with "who": address the reader' },
  { wrong: /\bwhoever\b/i, say: 'has "whoever": say you, the caller, the role' },
  { wrong: /\balso (?:if|when|though|because)\b/i, say: 'has "also if": even if' },
  {
    wrong:
      /\b(?:is|are|was|were|be|been) \w+ed by (?:`code`|nobody|somebody|you|Viewkeeper|PostgreSQL|AWS|RDS|the (?:server|monitor|function|deploy|stack|schedules?|caller|call|owner)\b)/i,
    say: 'is passive: who acts is the subject',
  },
  { wrong: /\bso that\b.*\bso that\b/i, say: 'has "so that" twice: make two sentences' },
  {
    wrong: /^(?:so|nor|neither) (?:is|are|was|were|does|do|did|has|have|can)\b/i,
    say: 'puts the verb first',
  },
  { wrong: /\b\w+n['’]t\b|\b\w+['’](?:ll|re|ve|m|d)\b/i, say: 'has a contraction' },
  { wrong: /\b(?:it|that|there|here|what|let|he|she|who)['’]s\b/i, say: 'has a contraction' },
  { wrong: /\b(?:will|shall)\b/i, say: 'is in the future: use the present' },
  { wrong: /\b(?:lets?|letting) (?:it|them)sel(?:f|ves)\b/i, say: 'is no English: "can be …"' },
  {
    wrong: /\bas of when\b|\bforetell|\bwhereby\b|\bthereof\b|\blest\b|\bfor want of\b|\bmend(?:s|ed)?\b/i,
    say: 'has a word of old books',
  },
  {
    wrong: /\bof (?:\w+ ){1,3}of (?:\w+ ){1,3}of (?:\w+ ){1,3}of\b/i,
    say: 'has four "of" in a row: use a verb',
  },
]

interface Node {
  type: string
  value?: string
  children?: Node[]
  position?: { start: { line: number } }
}

/** Each node of a type, however deep. */
const within = (node: Node, type: string): Node[] =>
  node.type === type ? [node] : (node.children ?? []).flatMap((child) => within(child, type))

/** Ends a paragraph, where cells of one line follow each other. */
const gap = ({ position }: Node): Node => ({ type: 'text', value: '\n\n', position })

/** Cells are read like paragraphs; the examples of bad English are not read. */
const readsCells = () => (tree: Node) => {
  const from = tree.children?.findIndex(({ type, children }) => {
    return type === 'heading' && children?.[0]?.value === 'How we write'
  })
  if (from !== undefined && from >= 0) tree.children?.splice(from + 1, 2)
  tree.children = (tree.children ?? []).flatMap((child) =>
    child.type === 'table'
      ? within(child, 'tableCell').flatMap((cell) => [{ ...cell, type: 'paragraph' }, gap(cell)])
      : [child],
  )
}

const textOf = ({ type, value, children = [] }: Node): string =>
  type === 'SourceNode' ? '`code`' : (value ?? children.map(textOf).join(''))

/** Sentences also begin with code, with a name in small letters, and after a figure. */
const sentencesOf = (node: Node): string[] =>
  textOf(node)
    .replaceAll(/\s+/g, ' ')
    .trim()
    .split(/(?<=[\w)`][.!?]\)?) (?=[("]?[`A-Z])|(?<=[a-z]{3}[.!?]) /)

const ownRules = () => (tree: Node, file: VFile) => {
  for (const node of within(tree, 'SentenceNode'))
    for (const sentence of sentencesOf(node)) {
      const found = rules.filter(({ wrong }) => wrong.test(sentence)).map(({ say }) => say)
      const words = sentence.split(' ').length
      if (words > mostWords) found.push(`has ${words} words: at most ${mostWords}`)
      for (const say of found) file.message(`${say}: ${sentence}`, { place: node.position as never })
    }
}

const reader = unified()
  .use(remarkParse)
  .use(remarkGfm)
  .use(readsCells as never)
  .use(
    remarkRetext,
    unified()
      .use(retextEnglish)
      .use(retextRepeatedWords)
      .use(retextIndefiniteArticle)
      .use(ownRules as never) as never,
  )

const messages: string[] = []
for (const path of pages) {
  const value = readFileSync(`${root}/${path}`, 'utf8')
  const file = new VFile({ path, value })
  await reader.run(reader.parse(file), file)
  messages.push(...file.messages.map(({ line, reason }) => `${path}:${line} ${reason}`))
}
if (messages.length > 0) {
  console.error(messages.join('\n'))
  process.exitCode = 1
}
