import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import { frozenText } from '../../src/migrate/frozen-migrations.ts'
import { Problem } from '../../src/problem.ts'

/** The definitions that frozen migrations hold: `--with migrations/007_sales.up.sql`. */
export const readGiven = (files: string[]): Promise<Definition[]> => Promise.all(files.map(readOne))

async function readOne(file: string): Promise<Definition> {
  const { change } = frozenText(basename(file), (await readText(file, '--with')).replaceAll('\r\n', '\n'))
  if (change.does === 'define') return change.definition
  throw new Problem(
    'InvalidRequest',
    `--with: ${file} defines no view. Give the up file of a frozen migration that does.`,
    { field: '--with' },
  )
}

/** The text of a file that the caller names. */
export const readText = (file: string, field: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: Error) => {
    throw new Problem('InvalidRequest', `${field}: ${file} cannot be read: ${error.message}.`, { field })
  })
