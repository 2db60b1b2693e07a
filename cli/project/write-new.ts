import { writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Problem } from '../../src/problem.ts'

/** Writes a new file. Refuses to replace a file. */
export async function writeNew(file: URL, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const path = relative(process.cwd(), fileURLToPath(file))
    throw new Problem('InvalidRequest', `${path} exists already, and was not changed. Nothing was written.`)
  }
}
