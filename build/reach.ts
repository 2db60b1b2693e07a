import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

/**
 * How much one has to hold in one's head: files, and their lines without blanks, comments and imports. Values may only fall, so put
 * what you reach here. The goals: a refresh 4,500 lines in 55 files, a batch 7,500 in 90, the API 8,000 in 110; all 430 files.
 */
const bounds: Record<string, { files: number; lines?: number }> = {
  'src/run/refresh.ts': { files: 44, lines: 4008 },
  // What a refresh loads when it rebuilds the view aside, and knows as `Swap`.
  'src/run/plan-swap.ts': { files: 52, lines: 5120 },
  'src/batch/advance.ts': { files: 69, lines: 6657 },
  // What a batch loads when it decides on groups, and when it fills and exchanges their shadows.
  'src/batch/groups.ts': { files: 71, lines: 7267 },
  'src/batch/shadows.ts': { files: 70, lines: 6811 },
  'functions/api.ts': { files: 51, lines: 4951 },
  'all files': { files: 461, lines: 49893 },
  'files with fewer than 25 lines': { files: 52 },
  'largest folder': { files: 18 },
}

/** Folders in which each file is a thing that is called, in a list of its own: commands, and what Lambda calls. */
const lists = ['cli/commands/operate', 'src/api/lambda']

/** Nobody has to know what is generated. */
const generated = 'src/methods.ts'

const all = globSync('{bench,cli,functions,infra,local,page,serve,src}/**/*.{ts,tsx}')
const files = new Map(
  all.filter((path) => path !== generated && !path.endsWith('.d.ts')).map((path) => [path, read(path)]),
)
const paths = [...files.keys()]
const folders = Map.groupBy(paths, dirname)
for (const list of lists) folders.delete(list)

for (const [name, bound] of Object.entries(bounds)) {
  const found = files.has(name) ? reached(name) : pathsOf(name)
  const lines = () => found.reduce((sum, path) => sum + files.get(path)!.lines, 0)
  const is: typeof bound = { files: found.length, ...(bound.lines && { lines: lines() }) }
  const isMore = is.files > bound.files || (is.lines ?? 0) > (bound.lines ?? 0)
  console.log(name, is, ...(isMore ? ['is more than', bound] : []))
  if (isMore) process.exitCode = 1
}

function pathsOf(name: string): string[] {
  if (name === 'all files') return paths
  if (name === 'largest folder') return [...folders.values()].reduce((a, b) => (a.length < b.length ? b : a))
  return paths.filter((path) => files.get(path)!.lines < 25)
}

/** A file and all that it imports, values and types, but for what is loaded later. */
function reached(path: string, seen = new Set<string>()): string[] {
  if (files.has(path) && !seen.has(path)) {
    seen.add(path)
    for (const each of files.get(path)!.imports) reached(each, seen)
  }
  return [...seen]
}

function read(path: string): { lines: number; imports: string[] } {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
  const lines = new Set<number>()
  const imports: string[] = []
  const lineAt = (at: number) => source.getLineAndCharacterOfPosition(at).line
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || (ts.isExportDeclaration(node) && node.moduleSpecifier)) {
      imports.push(join(dirname(path), (node.moduleSpecifier as ts.StringLiteral).text))
    } else if (node.getChildCount(source) > 0) {
      for (const child of node.getChildren(source)) visit(child)
    } else if (!ts.isJSDoc(node) && node.getWidth(source) > 0) {
      for (let line = lineAt(node.getStart(source)); line <= lineAt(node.end); line++) lines.add(line)
    }
  }
  visit(source)
  return { lines: lines.size, imports }
}
