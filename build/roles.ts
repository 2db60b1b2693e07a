import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

// npm run check:roles: code of others is executed in src/sealed. Whatever else takes a role stands here, with the number of its places
// and the reason why nothing of that role's is read, planned or executed there, or why it may be.

/** Where a role is taken, or a text about it stands. */
export const known: Record<string, { places: number; because: string }> = {
  'src/record/envelope/statement.sql': {
    places: 2,
    because: 'takes back the role of the login, and the one before',
  },
  'src/catalog/plan/rights.ts': {
    places: 1,
    because: 'inPlaceOf is for commands about names and rights; refresh and analyze are sealed by the server',
  },
  'src/catalog/plan/grants.ts': { places: 2, because: 'grant and revoke execute nothing' },
  'src/catalog/plan/obstacles.ts': { places: 1, because: 'words for people' },
  'src/rebuild/plan/nobody-writes.ts': { places: 1, because: 'revoke executes nothing' },
  'src/record/definitions/discovered.ts': {
    places: 1,
    because: 'reads cron.job, whose owners may do all that the login may',
  },
  'src/record/definitions/kept-marks.ts': { places: 1, because: 'a comment executes nothing' },
  'src/own-schema/db/apply-steps.ts': { places: 1, because: 'the owner of schema viewkeeper is ours' },
  'src/slices/plan/log.ts': {
    places: 11,
    because:
      'constant commands that make and drop a log and its triggers: its columns have types of the server, and no default of others',
  },
  'src/slices/plan/live.ts': {
    places: 4,
    because: 'constant commands that make and drop a plain view, whose query is ours',
  },
  'src/rebuild/plan/plain-view.ts': { places: 1, because: 'writes own SQL, which its author answers for' },
  'src/rebuild/db/statements.ts': { places: 1, because: 'sends what inPlaceOf has planned' },
  'src/set-aside/db/own-sql.ts': { places: 1, because: 'own SQL, which its author answers for' },
}

const takes =
  /\bset\s+(?:local\s+|session\s+)?role\b(?!\s*=)|\bset_config\(\s*(?:E?''?|\$\w*\$)role\b|\bset\s+(?:local\s+|session\s+)?session\s+authorization\b|\bsession_authorization\b|-c\s*role=/gi

/** How often a file takes a role: in SQL, in a text or template of TypeScript, or in the settings of a session. Comments count for nothing. */
export function placesIn(path: string, text: string): number {
  const texts = path.endsWith('.sql') ? [text.replaceAll(/--.*/g, '')] : textsOf(path, text)
  return texts.reduce((sum, each) => sum + [...each.matchAll(takes)].length, 0)
}

/** The texts and templates of a file of TypeScript. */
export function textsOf(path: string, text: string): string[] {
  const texts: string[] = []
  const visit = (node: ts.Node) => {
    if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddle(node) ||
      ts.isTemplateTail(node)
    )
      texts.push(node.text)
    // The settings that a session starts with.
    if (
      ts.isPropertyAssignment(node) &&
      node.name.getText() === 'role' &&
      /\bstartUp: \{[^}]*$/.test(text.slice(0, node.getStart()))
    )
      texts.push('set role')
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))
  return texts
}

/** What is wrong in these files, a line each. */
export function wrongIn(files: Record<string, string>): string[] {
  return Object.entries(files).flatMap(([path, text]) => {
    const places = placesIn(path, text)
    const allowed = path.startsWith('src/sealed/') ? places : (known[path]?.places ?? 0)
    if (places === allowed) return []
    return `${path}: takes a role in ${places} places, and build/roles.ts knows ${allowed}. Execute code of others by src/sealed; if nothing of the role's is executed, say there why.`
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const paths = globSync('{cli,functions,infra,local,page,schema,serve,src}/**/*.{ts,tsx,sql}').filter(
    (path) => !path.endsWith('.d.ts'),
  )
  const wrong = wrongIn(
    Object.fromEntries([...paths, ...Object.keys(known)].map((path) => [path, readFileSync(path, 'utf8')])),
  )
  for (const line of wrong) console.log(line)
  if (wrong.length > 0) process.exitCode = 1
}
