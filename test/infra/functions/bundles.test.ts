import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { App } from 'aws-cdk-lib'
import { afterAll, describe, expect, test } from 'vitest'
import { deep } from '../../support/deep.ts'
import { imported } from '../support/environments.ts'
import { createStack, functionNames, outside, Synthesized } from '../support/synth.ts'

const migrationsFolder = mkdtempSync(join(tmpdir(), 'viewkeeper-migrations-'))
afterAll(() => rmSync(migrationsFolder, { recursive: true }))

writeFileSync(join(migrationsFolder, 'README.md'), 'not for a bundle')
const withoutMigrations = bundle()
const pair = ['001_sales.down.sql', '001_sales.up.sql']
for (const file of pair) writeFileSync(join(migrationsFolder, file), 'select 1')
const bundles = bundle()

describe.each(functionNames)('the bundle of %s', (name) => {
  const { folder } = bundles.of(name)

  test('is an ES module, with chunks; beside what logs in, the authorities of the server', () => {
    const authorities = outside.includes(name) ? [] : ['authority.pem']
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
    const modules = readdirSync(folder).filter((file) => file.endsWith('.mjs'))
    expect(modules).toContain('index.mjs')
    expect(files.map((file) => file.name).sort()).toEqual([...modules, ...authorities].sort())
    for (const file of authorities)
      expect(readFileSync(join(folder, file), 'utf8')).toBe(imported.certificateAuthority)
  })

  test('can be loaded, and exports its handler', deep, () => {
    const url = pathToFileURL(join(folder, 'index.mjs')).href
    const program = `import(${JSON.stringify(url)}).then(({ handler }) => console.log(typeof handler))`
    expect(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }).trim()).toBe('function')
  })

  test('has the schema steps next to it if it migrates', () => {
    expect(existsSync(join(folder, 'schema/001_schema.sql'))).toBe(name === 'migrate')
  })

  test('has the migrations of the views next to it if it migrates, and nothing else of their folder', () => {
    const there = existsSync(join(folder, 'migrations')) ? readdirSync(join(folder, 'migrations')) : []
    expect(there.sort()).toEqual(name === 'migrate' ? pair : [])
  })
})

test('a folder without migrations is bundled too', () => {
  expect(readdirSync(join(withoutMigrations.of('migrate').folder, 'migrations'))).toEqual([])
})

test('a new migration is applied, a batch follows, and the other functions stay as they are', () => {
  for (const name of functionNames)
    expect(bundles.of(name).key !== withoutMigrations.of(name).key, name).toBe(name === 'migrate')
  expect(bundles.triggered).not.toBe(withoutMigrations.triggered)
  expect(bundles.deployed).not.toBe(withoutMigrations.deployed)
})

/**
 * Bundles every function as a deploy does. Returns the folder and the key of each function, the version of
 * `migrate`, and the hash of what is deployed.
 */
function bundle() {
  const options = { ...imported, refreshOnDeploy: true }
  const bundled = new Synthesized(createStack(options, ['**'], { migrationsFolder }))
  const assembly = (bundled.stack.node.root as App).synth()
  return {
    of(name: string): { folder: string; key: string } {
      const key = bundled.fn(name)[1].Properties.Code.S3Key as string
      return { key, folder: join(assembly.directory, `asset.${key.replace('.zip', '')}`) }
    },
    triggered: bundled.one('Custom::ViewkeeperMigration')[1].Properties.Migrate.Ref as string,
    deployed: bundled.one('Custom::ViewkeeperRefresh')[1].Properties.Key as string,
  }
}
