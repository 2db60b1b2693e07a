import { writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Problem } from '../../src/problem.ts'

/** Writes a file that is not there yet; never over one that is. */
export async function writeNew(file: URL, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const path = relative(process.cwd(), fileURLToPath(file))
    throw new Problem(
      'InvalidRequest',
      `${path} is there already, and is left as it is. Nothing was written.`,
    )
  }
}
