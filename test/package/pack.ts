import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The tarball that `npm publish` would send. */
export interface Tarball {
  path: string
  version: string
  /** Size of the tarball, and of all files in it, bytes. */
  size: number
  unpackedSize: number
  files: string[]
}

/** Builds the package and packs it into a folder. */
export function pack(folder: string): Tarball {
  const output = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [{ filename, version, size, unpackedSize, files }] = JSON.parse(output)
  const paths = files.map(({ path }: { path: string }) => path)
  return { path: join(folder, filename), version, size, unpackedSize, files: paths }
}

/** Fails if the package exports anything else than `build/api` lists, which a review has seen. */
export function checkReport(): void {
  execFileSync(process.execPath, ['build/api-report.ts', '--check'], { cwd: root, stdio: 'inherit' })
}

/** Holds the tarball against what Node, bundlers and TypeScript make of its package.json. */
export async function lintPackage({ path }: Tarball): Promise<void> {
  const bytes = new Uint8Array(readFileSync(path))
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true })
  assert.deepEqual(
    messages.map((message) => formatMessage(message, pkg as Record<string, unknown>)),
    [],
  )
  // It brings a TypeScript of its own, which nothing else needs: it is installed when it is asked.
  const { stdout } = spawnSync('npx', ['--yes', '@arethetypeswrong/cli@0.18.5', path, '--format', 'json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 100_000_000,
  })
  const { analysis } = JSON.parse(stdout) as { analysis: { types: unknown; problems?: { kind: string }[] } }
  assert.ok(analysis.types, 'the package has no types')
  assert.deepEqual(analysis.problems?.filter(isProblem) ?? [], [])
}

/** Whether a problem is one for the Nodes that the package is for: they can `require` an ES module. */
const isProblem = ({ kind }: { kind: string }): boolean => kind !== 'CJSResolvesToESM'
