import { cpSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from './viewkeeper.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const parts = ['build', 'cli', 'functions', 'local', 'page', 'schema', 'serve', 'src', 'package.json']

/** What a schema step may do: it adds to tables that exist, and makes new ones. */
const statements = `
  alter table viewkeeper.runs add column newer integer not null default 1;
  alter table viewkeeper.batches add column newer text;
  create table viewkeeper.newer (run_id bigint primary key references viewkeeper.runs on delete cascade);`

/** A version that has one more schema step. */
export function newerVersion(): { command: string; step: string } {
  const folder = temporaryFolder()
  for (const part of parts) cpSync(join(repository, part), join(folder, part), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const number = readdirSync(join(folder, 'schema')).length + 1
  const step = `${String(number).padStart(3, '0')}_newer`
  writeFileSync(join(folder, 'schema', `${step}.sql`), statements)
  return { command: join(folder, 'cli/viewkeeper.js'), step }
}
