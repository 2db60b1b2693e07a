import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { literal } from '../../sql/names.ts'
import type { Seal } from '../../sql/run-plan.ts'
import { safePath } from '../../sql/settings.ts'
import { Problem } from '../../words/problem.ts'
import { answerSetting, sealedText, sealedVariables } from '../plan/text.ts'

/** A statement that executes somebody else's command as its owner, on `path`: see `sealedText`. Pure. */
export const sealedCommand = (seal: Seal, command: string, path: string): string =>
  sealedBlock(seal, command, literal(path), 'null')

/** Executes somebody else's command as its owner, in the current transaction, on `path`. */
export async function executeSealed(sql: Sql, seal: Seal, command: string, path: string): Promise<void> {
  await sql.unsafe(sealedCommand(seal, command, path))
}

/**
 * Asks somebody else's query for a JSON object, as its owner. The query may only read, and nothing is left of it but its answer in
 * `answerSetting`. `reads`: a materialized view of the owner's that it has to read. Throws CatalogChanged if it reads another one.
 */
export async function askSealed<Answer = Record<string, unknown>>(
  sql: Sql,
  seal: Seal,
  query: string,
  reads = '',
): Promise<Answer> {
  try {
    await sql.unsafe(sealedBlock(seal, query, literal(seal.path ?? safePath), literal(reads)))
  } catch (error) {
    throw sqlstateOf(error) === 'VK005' ? new Problem('CatalogChanged', (error as Error).message) : error
  }
  const [row] = await sql.unsafe<[{ answer: Answer }]>(
    `select current_setting('${answerSetting}')::jsonb as answer`,
  )
  return row.answer
}

const sealedBlock = ({ role, schema }: Seal, command: string, path: string, reads: string): string =>
  `do ${literal(`declare ${sealedVariables}
begin
  ${sealedText({ role: literal(role), schema: literal(schema), command: literal(command), path, reads })}
  perform set_config('${answerSetting}', coalesce(answer, ''), true);
end`)}`
