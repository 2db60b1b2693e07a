import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface PackageJson {
  name?: string
  version?: string
  license?: string
}

/** The folder of the package that a bundled file of `node_modules` comes from. */
function packageFolder(file: string): string {
  let folder = dirname(file)
  // Some packages have a package.json without a name in each folder with another kind of modules.
  while (!existsSync(join(folder, 'package.json')) || readPackage(folder).name === undefined)
    folder = dirname(folder)
  return folder
}

const readPackage = (folder: string): PackageJson =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson

/**
 * The licenses of the packages whose files are bundled, with their texts, sorted by name. Throws if a package has neither a
 * license nor a text: such a package must not be bundled.
 */
export function licensesOf(files: Iterable<string>): string {
  const folders = new Set([...files].filter((file) => file.includes('node_modules')).map(packageFolder))
  const parts = [...folders].map((folder) => {
    const { name, version, license } = readPackage(folder)
    const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying|unlicense)/i.test(each))
    if (license === undefined && file === undefined) throw new Error(`${folder}: no license`)
    const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
    return `${name} ${version}: ${license ?? 'see below'}\n${text}`
  })
  return `The compiled files of Viewkeeper contain code of these packages.\n\n${[...new Set(parts)].sort().join(`\n${'-'.repeat(80)}\n\n`)}`
}
