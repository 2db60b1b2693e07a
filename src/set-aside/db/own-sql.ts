import { readOwner } from '../../catalog/db/owner.ts'
import { qualify } from '../../record/definitions/look.ts'
import type { Sql } from '../../server/database.ts'
import { lackingCharacter } from '../../server/encoding.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { readWhoLacks } from '../../server/own-rights.ts'
import { sqlFailed, type TextPart } from '../../server/sql-failed.ts'
import {
  inTransaction,
  readRolePath,
  takeRolePath,
  takeSafePath,
  withTransaction,
} from '../../server/transactions.ts'
import { literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import { makeSafe, takeLoginSettings } from '../../sql/settings.ts'
import { SqlReader, type SqlStatement, statementsIn } from '../../sql/statements-in.ts'
import type { ViewName } from '../../words/names.ts'
import { Problem, sentences } from '../../words/problem.ts'

/**
 * Executes own SQL, with the search path of our login, and the statements that record it: all of it or
 * nothing. The file is executed as the role that is to own what the file creates; if the file says
 * `reset role`, the rest of the file is executed as the login. `create index concurrently` and
 * `drop index concurrently` cannot be part of a transaction: a file with one of them holds nothing else, and
 * is recorded after the index is valid or dropped; a failed file can be executed again. If the file is only
 * `tried`, its index is made inside the transaction. `alter` is called around the SQL.
 */
export async function runPlainSql(
  sql: Sql,
  { file, text }: SqlFile,
  record: string[],
  how: 'applied' | 'tried' = 'applied',
  withoutReaders?: WithoutReaders,
): Promise<void> {
  await insistOnCharacters(sql, file, text)
  const statements = statementsIn(text)
  const isConcurrent = statements.some(({ words }) => /\bindex\s+concurrently\b/i.test(words))
  if (isConcurrent && withoutReaders !== undefined) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: create or drop index concurrently cannot be part of a transaction, so nothing can be set aside around it. Leave "alters" out.`,
    )
  }
  if (isConcurrent && how === 'applied') return runConcurrently(sql, { file, text }, statements, record)
  // The login builds the index: the login may if the role may, and the table's owner owns the index anyway.
  const owner = isConcurrent ? null : await readOtherOwner(sql)
  let part: TextPart | undefined
  const onPart = (next: TextPart) => {
    part = next
  }
  try {
    await inTransaction(sql, async (transaction) => {
      const work = async () => {
        if (how === 'tried') await transaction`select set_config('statement_timeout', ${longestTrial}, true)`
        await executeText(transaction, isConcurrent ? inTransactionToo(statements) : text, owner, onPart)
      }
      await (withoutReaders === undefined ? work() : withoutReaders(transaction, work))
      await executeRecord(transaction, record)
    })
  } catch (error) {
    if (error instanceof Problem) throw error
    const isOurRole = owner !== null && !statements.some(({ sql }) => takesRole.test(sql))
    const role = isOurRole ? owner : null
    const lacks = sqlstateOf(error) === '42501' ? await readWhoLacks(sql, role, error) : null
    const end = sentences(untouched, ...adviceOn(error, role), lacks)
    throw sqlFailed(`migrations/${file}`, text, error, end, part)
  }
}

/** Does something before and after the SQL of a file, in the same transaction. */
export type WithoutReaders = (transaction: Sql, work: () => Promise<void>) => Promise<void>

/**
 * Executes a text of SQL in the transaction of the caller, as `role` (null: as the login), with the search path of our
 * login. `onPart` is told what is executed next, to name a line if it fails. Afterwards the session has its own role and
 * settings again.
 */
async function executeText(
  transaction: Sql,
  text: string,
  role: string | null,
  onPart: (part: TextPart) => void,
): Promise<void> {
  let place = await readPlace(transaction, role)
  const savepoints = new Set<string>()
  for (const part of partsOf(text)) {
    onPart(part)
    const isSavepoint = isAboutSavepoint(part.text)
    if (isSavepoint) insistOnOwn(savepoints, part.text)
    // Before the first savepoint: `rollback to` takes back what was set after it.
    if (isSavepoint && place !== '') await executePart(transaction, 'select', place)
    if (isSavepoint) await executeAlone(transaction, part.text)
    else await executePart(transaction, part.text, place)
    place = ''
  }
  // These reset the session, not only the transaction: the text's role and settings end here.
  await transaction`reset role`
  await transaction`reset all`
  await transaction.unsafe(makeSafe)
}

/** Executes a file of SQL as the login, in the transaction of the caller. Its failure names the file and the line. */
export async function executeFile(transaction: Sql, { file, text }: SqlFile): Promise<void> {
  let part: TextPart | undefined
  try {
    await executeText(transaction, text, null, (next) => {
      part = next
    })
  } catch (error) {
    throw sqlFailed(file, text, error, ['Nothing was changed.', ...adviceOn(error, null)].join(' '), part)
  }
}

/** Refuses a file with a character that the database cannot store, and names its line. */
async function insistOnCharacters(sql: Sql, file: string, text: string): Promise<void> {
  const lacking = await lackingCharacter(sql, text)
  if (lacking === undefined) return
  const line = text.slice(0, text.indexOf(lacking.character)).split('\n').length
  throw new Problem(
    'MigrationFailed',
    `migrations/${file}, line ${line}: the database cannot store ${JSON.stringify(lacking.character)}, because its encoding is ` +
      `${lacking.encoding}. ${untouched}`,
  )
}

const untouched = 'The database is as it was before this migration.'

/** A statement that takes a role, or gives it back. */
const takesRole = /^(re)?set\b.*\brole\b|\bset_config\('role'/i

/** What to do about an error. */
function adviceOn(error: unknown, role: string | null): string[] {
  switch (sqlstateOf(error)) {
    case '42501':
      return role === null
        ? []
        : [
            `The file was executed as role ${role}; write "reset role;" to execute the rest as the login, a member of ${role}.`,
          ]
    case '25001':
      return [
        'This statement cannot be part of a transaction, so no migration can hold it. Execute it by hand.',
      ]
    case '0A000':
      // This routine means that `execute` refused a statement. Other unsupported features have other
      // routines.
      return (error as { routine?: string }).routine === 'exec_stmt_dynexecute'
        ? [
            'The file and its journal row are one transaction. Leave out statements that begin or end a transaction, and any "copy" from or to the client.',
          ]
        : []
    default:
      return []
  }
}

/** Equal to the deadline of a trial: the limit ends a file on the server after the client has left. */
const longestTrial = '10min'

/** The server keeps some 11 KB for each statement of a part until the part is done. */
const statementsPerPart = 1000

/**
 * The file in parts of many statements, or in one part for each statement if the file names `statement_timeout` or has a
 * savepoint: the server applies a new timeout only from the next message on, and refuses savepoints in `execute`.
 */
function partsOf(text: string): TextPart[] {
  const statements = statementsIn(text)
  const isSingle = /\bstatement_timeout\b/i.test(text) || statements.some(({ sql }) => isAboutSavepoint(sql))
  const size = isSingle ? 1 : statementsPerPart
  if (statements.length <= size) return [{ text, from: 0 }]
  return statements.flatMap(({ from }, at) =>
    at % size === 0 ? [{ text: text.slice(from, statements.slice(0, at + size).at(-1)?.to), from }] : [],
  )
}

const savepointWords = [
  'savepoint',
  'release',
  'rollback to',
  'rollback work to',
  'rollback transaction to',
] as const

const isAboutSavepoint = (sql: string): boolean => new SqlReader(sql).takes(...savepointWords) !== undefined

/** The server's code for the same. */
const noSuchSavepoint = '3B001'

/** Refuses to go back to a savepoint that the file has not set: those around the file are ours. */
function insistOnOwn(savepoints: Set<string>, text: string): void {
  const said = new SqlReader(text)
  const sets = said.takes(...savepointWords) === 'savepoint'
  if (!sets) said.takes('savepoint')
  const { name = '' } = said.takesName() ?? {}
  if (sets) savepoints.add(name)
  else if (!savepoints.has(name)) {
    const message = `the file has set no savepoint ${name}: set it before, or leave "${statementsIn(text)[0]?.sql}" out`
    throw Object.assign(new Error(message), { code: noSuchSavepoint })
  }
}

/**
 * Executes a part of a file inside a block: there the server itself refuses every statement that begins or ends a
 * transaction. The block starts as the login, because the role may lack `usage` on PL/pgSQL. The part and the block are
 * quoted texts, so no dollar quote in the file ends them.
 */
async function executePart(sql: Sql, part: string, place: string): Promise<void> {
  // `execute` refuses a `select into` at the end, but not before another statement.
  const whole = /\binto\b/i.test(statementsIn(part).at(-1)?.words ?? '') ? `${part}\n;select` : part
  await sql.unsafe(`do ${literal(`begin ${place} execute ${literal(whole)}; end`)}`)
}

/**
 * Executes a statement about a savepoint. Outside simple mode the server takes one statement only, so nothing can follow the
 * savepoint.
 */
async function executeAlone(sql: Sql, statement: string): Promise<void> {
  await sql.unsafe(statement, [], { simple: false } as object)
}

/** The role that is to own what is created; null if that is the login. */
async function readOtherOwner(sql: Sql): Promise<string | null> {
  const owner = await readOwner(sql, null)
  const [own] = await sql<{ login: string }[]>`select quote_ident(current_user) as login`
  return owner === own?.login ? null : owner
}

/** Statements of a block that set the settings, the search path and the role of a file. We have cut the file into statements as the standard says. */
async function readPlace(sql: Sql, role: string | null): Promise<string> {
  const path = await readRolePath(sql)
  const settings = takeLoginSettings('standard_conforming_strings').replace('select', 'perform')
  if (role === null)
    return `${settings}; perform pg_catalog.set_config('search_path', ${literal(path)}, true);`
  const [own] = await sql<{ login: string }[]>`select current_user as login`
  // "$user" keeps meaning the login. After `set role` it would mean the role.
  const pathOfLogin = path.replace(
    /(^|,)\s*"?\$user"?\s*(?=,|$)/g,
    (_, comma) => comma + quoteIdentifier(own?.login ?? ''),
  )
  return `${settings}; perform pg_catalog.set_config('search_path', ${literal(pathOfLogin)}, true); set local role ${role};`
}

/** The statements without `concurrently`, which cannot be part of a transaction. */
const inTransactionToo = (statements: SqlStatement[]): string =>
  statements.map(({ sql }) => sql.replace(/\bindex\s+concurrently\b/i, 'index')).join(';\n')

async function runConcurrently(
  sql: Sql,
  { file, text }: SqlFile,
  statements: SqlStatement[],
  record: string[],
): Promise<void> {
  const said = new SqlReader(statements[0]?.sql ?? '')
  const drops = said.takes('drop index concurrently') !== undefined
  const creates = said.takes('create index concurrently', 'create unique index concurrently') !== undefined
  said.takes('if not exists')
  const index = creates ? said.takesName()?.name : undefined
  const table = said.takes('on only', 'on') === undefined ? undefined : said.takesName()
  if (statements.length > 1 || (table === undefined && !drops)) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: create or drop index concurrently must be alone in its file, as "create index concurrently name on table (...);" or "drop index concurrently name;".`,
    )
  }
  try {
    if (index === undefined || table === undefined) await executeOnRolePath(sql, text)
    else await buildConcurrently(sql, file, text, index, table)
  } catch (error) {
    const end = 'Nothing is recorded. Remove the cause, and migrate again.'
    throw error instanceof Problem ? error : sqlFailed(`migrations/${file}`, text, error, end)
  }
  await withTransaction(sql, (transaction) => executeRecord(transaction, record))
}

async function buildConcurrently(
  sql: Sql,
  file: string,
  statement: string,
  index: string,
  table: ViewName,
): Promise<void> {
  const before = await readIndex(sql, index, table)
  if (before?.valid === false) await sql.unsafe(`drop index concurrently ${before.name}`)
  if (before?.valid !== true) await executeOnRolePath(sql, statement)
  if (!(await readIndex(sql, index, table))?.valid) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: index ${index} is not valid. Nothing is recorded. Migrate again.`,
    )
  }
}

/** An index of a table, which is in the schema of its table; undefined if the table has no such index. */
async function readIndex(
  sql: Sql,
  index: string,
  table: ViewName,
): Promise<{ name: string; valid: boolean } | undefined> {
  const [qualified] = await qualify(sql, [table])
  const [row] = await sql<{ name: string; valid: boolean }[]>`
    select format('%I.%I', n.nspname, x.relname) as name, i.indisvalid as valid
      from pg_index i join pg_class x on x.oid = i.indexrelid join pg_namespace n on n.oid = x.relnamespace
     where i.indrelid = to_regclass(${quoteName(qualified as ViewName)}) and x.relname = ${index}`
  return row
}

/** Executes a statement that others wrote, outside a transaction. */
async function executeOnRolePath(sql: Sql, statement: string): Promise<void> {
  await takeRolePath(sql, { local: false })
  try {
    await sql.unsafe(statement)
  } finally {
    await takeSafePath(sql, { local: false })
  }
}

/** A file of SQL, by its name. */
interface SqlFile {
  file: string
  text: string
}

/** Executes the statements that record a migration, in the transaction of the caller. */
export async function executeRecord(sql: Sql, record: string[]): Promise<void> {
  for (const statement of record) await sql.unsafe(statement)
}
