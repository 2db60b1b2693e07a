import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { inject, type TestContext } from 'vitest'
import { evidenceFolder } from './evidence.ts'

/** What the database of a failed test is asked: its latest runs and batches, and its sessions. */
const questions = [
  `select jsonb_strip_nulls(to_jsonb(b)) as batch from viewkeeper.batches b order by requested_at desc limit 5`,
  `select jsonb_strip_nulls(to_jsonb(r) - 'plan') as run from viewkeeper.runs r order by id desc limit 20`,
  `select pid, application_name, state, wait_event, pg_blocking_pids(pid) as waits_for, clock_timestamp() - state_change as since,
          left(query, 200) as query
     from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
]

/** Writes beside the evidence what explains why a test failed: its error, the rows of the record, sessions, and what the server logged. */
export async function explain({ name, file, result }: TestContext['task'], url: string): Promise<void> {
  const database = url.slice(url.lastIndexOf('/') + 1)
  const sql = postgres(url, { max: 1, connect_timeout: 5, connection: { statement_timeout: 5000 } })
  const answers: string[] = []
  for (const question of questions) {
    const rows = await sql.unsafe(question).catch(({ message }) => [message])
    answers.push(...rows.toReversed().map((row) => JSON.stringify(row)))
  }
  await sql.end({ timeout: 1 })
  const log = await readFile(inject('postgresLog'), 'utf8').catch(({ message }) => message)
  // Lines that go on begin with a tab.
  const logged = log.split(/\n(?!\t)/).filter((line: string) => line.includes(` ${database} `))
  const errors = (result?.errors ?? []).map(({ stack, message }) => stack ?? message)
  mkdirSync(evidenceFolder, { recursive: true })
  writeFileSync(
    join(evidenceFolder, `${database}.txt`),
    [`${file.name} > ${name}`, ...errors, ...answers, ...logged.slice(-40), ''].join('\n'),
    { flag: 'a' },
  )
}
