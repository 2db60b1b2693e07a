import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

// Each test starts a process, so that Node itself does the imports, as in real use.
const loader = new URL('../../../src/config/load-config.ts', import.meta.url)

/** What a folder's configuration is, or why it is refused. Nothing may be warned of. */
async function load(files: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-config-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const code = `
    import { loadConfig } from '${loader}'
    import { pathToFileURL } from 'node:url'
    const here = pathToFileURL(process.cwd() + '/')
    const { file, folders, environments } = await loadConfig(here).catch((error) => ({ file: error.message }))
    const shown = folders && Object.values(folders).map(({ href }) => href.replace(here.href, './'))
    console.log(JSON.stringify({ file, folders: shown, environments }))`
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', code],
    { cwd: folder },
  )
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

const defaults = { folders: ['./views/', './migrations/'], environments: {} }

test('a folder without the file has the defaults', async () => {
  expect(await load({})).toEqual({ file: null, ...defaults })
})

test.each(['ts', 'mjs'])('the file may be viewkeeper.config.%s', async (extension) => {
  const file = `viewkeeper.config.${extension}`
  expect(await load({ [file]: 'export default {}' })).toEqual({ file, ...defaults })
})

test.each(['{}', '{ "type": "commonjs" }', '{ "type": "module" }'])(
  'it names folders and environments, also below a package.json with %s',
  async (packageJson) => {
    const text = `
      import { type Config, defineConfig } from 'viewkeeper'
      const environments: Config['environments'] = { test: { region: 'eu-west-3', profile: 'shop' } }
      export default defineConfig({ folders: { views: './db/views', migrations: 'db/frozen/' }, environments })`
    expect(await load({ 'package.json': packageJson, 'viewkeeper.config.ts': text })).toEqual({
      file: 'viewkeeper.config.ts',
      folders: ['./db/views/', './db/frozen/'],
      environments: { test: { region: 'eu-west-3', profile: 'shop' } },
    })
  },
)

test('what tsc makes of the file is left alone', async () => {
  const compiled = {
    'viewkeeper.config.ts': 'export default {}',
    'viewkeeper.config.js': 'exports.default = {}',
  }
  expect(await load(compiled)).toEqual({ file: 'viewkeeper.config.ts', ...defaults })
})

test('two files are refused', async () => {
  const both = { 'viewkeeper.config.ts': 'export default {}', 'viewkeeper.config.mjs': 'export default {}' }
  expect((await load(both)).file).toMatch(/config\.ts and viewkeeper\.config\.mjs/)
})

test.each([
  ['export const config = {}', ['it exports no configuration: write "export default defineConfig({})"']],
  ['export default []', ['it exports no configuration: write "export default defineConfig({})"']],
  [
    "export default { folder: {}, folders: { view: 'x', migrations: 7 }, environments: { test: 'x', prod: { regions: 1, region: 2 } }, other: 1 }",
    [
      'folder is not a field: did you mean folders?',
      'other is not a field: the fields are folders, environments, serve',
      'folders.view is not a field: did you mean views?',
      'folders.migrations must be the path of a folder',
      'environments.test must be an object',
      'environments.prod.regions is not a field: did you mean region?',
      'environments.prod.regions must be a text',
      'environments.prod.region must be a text',
    ],
  ],
  [
    'export default { folders: 1, environments: [] }',
    [
      "folders must be an object, such as { views: 'views', migrations: 'migrations' }",
      'environments must be an object, with each environment by its name',
    ],
  ],
])('all mistakes of %s are told', async (text, mistakes) => {
  const { file } = await load({ 'viewkeeper.config.ts': text })
  expect(file).toBe(['viewkeeper.config.ts is not valid:', ...mistakes].join('\n  '))
})

test('a file that cannot be imported is told with its line', async () => {
  const { file } = await load({ 'viewkeeper.config.ts': "\nthrow new Error('no such stage')" })
  expect(file).toBe('viewkeeper.config.ts:2  cannot be imported: Error: no such stage')
})
