import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Writes the SBOM (CycloneDX) of everything that is installed: what the package and the functions are made of, and what makes them.
// Fails if anything has a license that nobody has agreed to, also of what the tests and the docs site install in folders of their own.

const file = fileURLToPath(new URL('../.viewkeeper/sbom.cdx.json', import.meta.url))

/** A component may be used if one of its licenses is among these. */
const agreed = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'MPL-2.0',
  'PostgreSQL',
  'Unlicense',
]

interface Component {
  name: string
  version: string
  licenses?: { license?: { id?: string; name?: string }; expression?: string }[]
}

const text = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], {
  encoding: 'utf8',
  maxBuffer: 100_000_000,
})
const { components } = JSON.parse(text) as { components: Component[] }
const licenseOf = ({ licenses = [] }: Component): string =>
  licenses.map(({ license, expression }) => license?.id ?? license?.name ?? expression).join(' AND ')
const isAgreed = (license: string): boolean =>
  license.split(' AND ').every((all) =>
    all
      .replace(/[()]/g, '')
      .split(' OR ')
      .some((one) => agreed.includes(one)),
  )

/** What no package and no function has; it is not installed for this, so its lock says the licenses. */
const besides = ['.ci/majors', 'build/docs-site'].flatMap((folder): Component[] => {
  const lock = readFileSync(new URL(`../${folder}/package-lock.json`, import.meta.url), 'utf8')
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { version: string; license?: string }>
  }
  return Object.entries(packages).flatMap(([path, { version, license }]) =>
    path === ''
      ? []
      : { name: `${folder}/${path}`, version, licenses: license ? [{ expression: license }] : [] },
  )
})
const refused = [...components, ...besides].filter((component) => !isAgreed(licenseOf(component)))
mkdirSync(new URL('.', `file://${file}`), { recursive: true })
writeFileSync(file, text)
console.log(`${components.length} components: ${file}; ${besides.length} more, of tools, are in no file`)
for (const component of refused)
  console.error(
    `${component.name} ${component.version}: nobody has agreed to its license, "${licenseOf(component)}"`,
  )
if (refused.length > 0) process.exitCode = 1
