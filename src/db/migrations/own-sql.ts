import type { FrozenText } from '../../plan/migrations/frozen.ts'
import { quoteIdentifier } from '../../plan/names.ts'
import { Problem } from '../../problem.ts'
import { inTransaction, type Sql, withTransaction } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { readRolePath, safePath } from '../server/search-path.ts'
import { sqlFailed, untouched } from '../server/sql-failed.ts'
import { readCreateOwner } from '../views/definitions.ts'

const identifier = '(?:"(?:[^"]|"")+"|[\\w$]+)'
const createConcurrently = new RegExp(
  `^create\\s+(?:unique\\s+)?index\\s+concurrently\\s+(?:if\\s+not\\s+exists\\s+)?(${identifier})\\s+on\\s+(?:only\\s+)?` +
    `(${identifier}(?:\\s*\\.\\s*${identifier})?)`,
  'i',
)
const dropConcurrently = /^drop\s+index\s+concurrently\s/i

/**
 * Runs SQL that somebody wrote by hand, with the search path of our login, and what records it: all of it or nothing. It
 * runs as the role that is to own what is created; `reset role` in it leaves the rest to the login. An index that is built
 * or dropped `concurrently` cannot be part of a transaction: such a file holds only that, can be run again, and is
 * recorded when the index is valid. Where it is only `tried` it is made like any other.
 */
export async function runPlainSql(
  sql: Sql,
  { file, text }: FrozenText,
  record: string[],
  how: 'applied' | 'tried' = 'applied',
): Promise<void> {
  const statements = statementsIn(text)
  const isConcurrent = statements.some((each) => /\bindex\s+concurrently\b/i.test(blanked(each)))
  if (isConcurrent && how === 'applied') return runConcurrently(sql, { file, text }, statements, record)
  const ending = statements.find((each) =>
    /^(begin|start\s+transaction|commit|rollback|abort|end|prepare\s+transaction)\b/i.test(each),
  )
  if (ending !== undefined) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: "${ending}" would end the transaction that the file is run in, together with its journal row. Leave it out.`,
    )
  }
  // An index belongs to its table's owner, whoever builds it: the login may do that wherever the role may.
  const owner = isConcurrent ? null : await readOtherOwner(sql)
  try {
    await inTransaction(sql, async (part) => {
      await part`set local search_path to default`
      if (owner !== null) await takePlaceOf(part, owner)
      await part.unsafe(isConcurrent ? inTransactionToo(statements) : text).simple()
      // For the session, not for this transaction alone: what the file may have taken and set for itself ends here.
      await part`reset role`
      await part`reset all`
      await part`select pg_catalog.set_config('search_path', ${safePath}, false)`
      for (const statement of record) await part.unsafe(statement)
    })
  } catch (error) {
    if (error instanceof Problem) throw error
    const isOurRole = owner !== null && !statements.some((each) => /^(re)?set\b.*\brole\b/i.test(each))
    const advice =
      isOurRole && sqlstateOf(error) === '42501'
        ? ` It was run as role ${owner}; after "reset role;" the login that is a member of it goes on.`
        : ''
    throw sqlFailed(`migrations/${file}`, text, error, `${untouched}${advice}`)
  }
}

/** The role that is to own what is created, where that is not ourselves. */
async function readOtherOwner(sql: Sql): Promise<string | null> {
  const owner = await readCreateOwner(sql)
  const [own] = await sql<{ login: string }[]>`select quote_ident(current_user) as login`
  return owner === own?.login ? null : owner
}

/** Has the rest of the transaction run as this role, as SQL writes it. */
async function takePlaceOf(sql: Sql, role: string): Promise<void> {
  const [own] = await sql<{ login: string }[]>`select current_user as login`
  // "$user" stays who logs in: of the role it would be whatever schema is called like that.
  const path = (await readRolePath(sql)).replace(
    /(^|,)\s*"?\$user"?\s*(?=,|$)/g,
    (_, comma) => comma + quoteIdentifier(own?.login ?? ''),
  )
  await sql`select pg_catalog.set_config('search_path', ${path}, true)`
  await sql.unsafe(`set local role ${role}`)
}

/** The same without what cannot be part of a transaction. */
const inTransactionToo = (statements: string[]): string =>
  statements.map((each) => each.replace(/\bindex\s+concurrently\b/i, 'index')).join(';\n')

async function runConcurrently(
  sql: Sql,
  { file, text }: Pick<FrozenText, 'file' | 'text'>,
  statements: string[],
  record: string[],
): Promise<void> {
  const [only = '', ...others] = statements
  const [, index, table] = createConcurrently.exec(only) ?? []
  if (others.length > 0 || (index === undefined && !dropConcurrently.test(only))) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: create index concurrently has to be alone in its file, as "create index concurrently name on table (…);".`,
    )
  }
  await sql`set search_path to default`
  try {
    if (index === undefined || table === undefined) await sql.unsafe(text)
    else await buildConcurrently(sql, file, text, { index, table })
  } catch (error) {
    const end = 'Nothing is recorded; cure the cause and run it again.'
    throw error instanceof Problem ? error : sqlFailed(`migrations/${file}`, text, error, end)
  } finally {
    await sql`select pg_catalog.set_config('search_path', ${safePath}, false)`
  }
  await withTransaction(sql, async (part) => {
    for (const statement of record) await part.unsafe(statement)
  })
}

async function buildConcurrently(
  sql: Sql,
  file: string,
  statement: string,
  { index, table }: { index: string; table: string },
): Promise<void> {
  if ((await isValid(sql, index, table)) === false)
    await sql.unsafe(`drop index concurrently ${inSchemaOf(table, index)}`)
  if ((await isValid(sql, index, table)) === undefined) await sql.unsafe(statement)
  if (!(await isValid(sql, index, table))) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: index ${index} is not valid. Nothing is recorded; run it again.`,
    )
  }
}

/** Undefined where the table has no such index. */
async function isValid(sql: Sql, index: string, table: string): Promise<boolean | undefined> {
  const [row] = await sql<{ valid: boolean }[]>`
    select i.indisvalid as valid from pg_catalog.pg_index i
     where i.indrelid = to_regclass(${table}) and i.indexrelid = to_regclass(${inSchemaOf(table, index)})`
  return row?.valid
}

/** An index lives in its table's schema, whatever the search path. */
const inSchemaOf = (table: string, index: string): string => {
  const schema = new RegExp(`^(${identifier})\\s*\\.`).exec(table)?.[1]
  return schema === undefined ? index : `${schema}.${index}`
}

/** A comment (which may hold comments), a text of any kind, or a quoted name: what ends no statement, and says none. */
const opaque =
  /--[^\n]*|\/\*(?:\/\*[\s\S]*?\*\/|(?!\*\/)[\s\S])*\*\/|\b[Ee]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$[A-Za-z_0-9]*\$)[\s\S]*?\1/g
const parsedBody = /\bbegin\s+atomic\b[\s\S]*?;\s*end\b/gi

/** The statements of a text without its comments; what stands in quotes or in a function's body ends none. */
function statementsIn(text: string): string[] {
  const bare = text.replace(opaque, (found) => (/^(--|\/\*)/.test(found) ? ' ' : found))
  const ends = [...blanked(bare).matchAll(/;/g)].map(({ index }) => index)
  return [...ends, bare.length]
    .map((end, at) => bare.slice(at === 0 ? 0 : (ends[at - 1] as number) + 1, end).trim())
    .filter((statement) => statement !== '')
}

/** The same length, with nothing left of what stands in quotes, comments or bodies. */
const blanked = (text: string): string =>
  [opaque, parsedBody].reduce(
    (left, pattern) => left.replace(pattern, (found) => ' '.repeat(found.length)),
    text,
  )
