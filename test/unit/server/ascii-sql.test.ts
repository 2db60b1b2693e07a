import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

// A database's encoding may lack every character beyond ASCII. A statement with one would fail, wherever the character is: in
// a text, a name or a comment.

const root = new URL('../../../', import.meta.url).pathname
const beyondAscii = /[^\0-\x7f]/

const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file))

/** The texts in a source file, as they are at runtime. Comments of the source are no part of them. */
function textsIn(file: string): string[] {
  const texts: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      texts.push(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest))
  return texts
}

// Files are written and terminals are told by these rooms, which no server reads.
const beside = /^src\/(authored|resources|terminal)\//
const sources = filesOf('src', '.ts').filter((file) => !beside.test(file))

test('every text in the source that may reach the server, as SQL or in a record, is ASCII', () => {
  expect(sources.length).toBeGreaterThan(100)
  const found = sources.flatMap((file) =>
    textsIn(file)
      .filter((text) => beyondAscii.test(text))
      .map((text) => `${file}: ${text}`),
  )
  expect(found).toEqual([])
})

test.each([...filesOf('schema', '.sql'), ...filesOf('src', '.sql')])(
  'the whole of %s is ASCII, comments included',
  (file) => {
    expect(readFileSync(join(root, file), 'utf8')).not.toMatch(beyondAscii)
  },
)
