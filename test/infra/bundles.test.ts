import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { App } from 'aws-cdk-lib'
import { describe, expect, test } from 'vitest'
import { imported } from './environments.ts'
import { createStack, Synthesized } from './synth.ts'

const names = ['refresh', 'cancel', 'query', 'monitor', 'migrate']
const bundles = bundle()

describe.each(names)('the bundle of %s', (name) => {
  test('is one small ES module with its source map', () => {
    const folder = bundles[name]!
    expect(
      readdirSync(folder)
        .filter((file) => file !== 'schema')
        .sort(),
    ).toEqual(['index.mjs', 'index.mjs.map'])
    expect(statSync(join(folder, 'index.mjs')).size).toBeLessThan(600_000)
  })

  test('can be loaded, and exports its handler', () => {
    const url = pathToFileURL(join(bundles[name]!, 'index.mjs')).href
    const program = `import(${JSON.stringify(url)}).then(({ handler }) => console.log(typeof handler))`
    expect(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }).trim()).toBe('function')
  })

  test('holds only functions/, src/ and packages that work in Lambda', () => {
    const { sources } = JSON.parse(readFileSync(join(bundles[name]!, 'index.mjs.map'), 'utf8')) as {
      sources: string[]
    }
    const own = sources.filter((source) => !source.includes('/node_modules/'))
    expect(own.length).toBeGreaterThan(1)
    for (const source of own) expect(source).toMatch(/\/(functions|src)\//)
    for (const source of sources)
      expect(source).not.toMatch(/node_modules\/(aws-cdk-lib|cdk-nag|esbuild|vitest|hono|embedded-)/)
  })

  test('has the steps of the schema beside it if it migrates', () => {
    expect(existsSync(join(bundles[name]!, 'schema/001_definitions_and_runs.sql'))).toBe(name === 'migrate')
  })
})

/** Bundles every function as a deploy does; gives the folder of each. */
function bundle(): Record<string, string> {
  const bundled = new Synthesized(createStack(imported, ['**']))
  const assembly = (bundled.stack.node.root as App).synth()
  const folder = (name: string) => {
    const [, { Properties }] = bundled.fn(name)
    return join(assembly.directory, `asset.${Properties.Code.S3Key.replace('.zip', '')}`)
  }
  return Object.fromEntries(names.map((name) => [name, folder(name)]))
}
