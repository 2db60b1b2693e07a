import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A `file:` URL as a path; a path stays what it is. */
export const pathOf = (file: string): string => (file.startsWith('file:') ? fileURLToPath(file) : file)

/** A path or `file:` URL as a path from the current folder. */
export const relativePath = (path: string): string => relative(process.cwd(), pathOf(path))
