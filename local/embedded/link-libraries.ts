import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/**
 * Makes those links between the libraries of a server that are missing. The install script of the server's package makes
 * them, but npm and pnpm may not run that script.
 */
export function linkLibraries(folder: string): void {
  const list = join(folder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as Record<string, string>[]) {
    const link = join(folder, target!)
    if (!existsSync(link)) makeLink(relative(dirname(link), join(folder, source!)), link)
  }
}

/** Makes a link, unless another start makes it at the same moment. */
function makeLink(target: string, link: string): void {
  try {
    symlinkSync(target, link)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
