import { writeFile } from 'node:fs/promises'
import { Problem } from '../../src/problem.ts'
import { shownPath } from './folders.ts'

/** Writes a new file. Refuses to replace a file. */
export async function writeNew(file: URL, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new Problem(
      'InvalidRequest',
      `${shownPath(file)} exists already, and was not changed. Nothing was written.`,
    )
  }
}
