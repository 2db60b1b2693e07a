import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The schema steps of this repository. They are copied once, because an edited step stops the next deploy. */
export const ownSchema = fileURLToPath(new URL('../../schema', import.meta.url))

export interface SchemaFolder {
  folder: string
  /** Name of the last file. */
  last: string
}

/** A copy of a folder of schema steps, with further ones. */
export function copySchema(
  from: string,
  folder: string,
  ...steps: [name: string, sql: string][]
): SchemaFolder {
  cpSync(from, folder, { recursive: true })
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
  let number = files.length
  let last = files.sort().at(-1) ?? ''
  for (const [name, sql] of steps) {
    number += 1
    last = `${String(number).padStart(3, '0')}_${name}.sql`
    writeFileSync(join(folder, last), sql)
  }
  return { folder, last }
}
