import { mkdir, rm, writeFile } from 'node:fs/promises'
import { Problem } from '../../src/problem.ts'
import { shownPath } from './config.ts'

/** Writes new files into a folder: all of them or none. Refuses to replace a file. */
export async function writeNew(folder: URL, files: { file: string; text: string }[]): Promise<URL[]> {
  const written: URL[] = []
  try {
    for (const { file, text } of files) {
      const at = new URL(file, folder)
      await mkdir(new URL('./', at), { recursive: true })
      await writeFile(at, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? existing(at) : error
      })
      written.push(at)
    }
    return written
  } catch (error) {
    await Promise.all(written.map((file) => rm(file)))
    throw error
  }
}

const existing = (file: URL): Problem =>
  new Problem(
    'InvalidRequest',
    `${shownPath(file)} exists already, and was not changed. Nothing was written.`,
  )
