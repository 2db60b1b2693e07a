import { join } from 'node:path'
import type { ICommandHooks } from 'aws-cdk-lib/aws-lambda-nodejs'

// In one line and without a double quote, because a shell reads it; with Node, because Windows has no `cp`.
const copy = `
  const [from, to] = process.argv.slice(1), { cpSync, existsSync } = require('node:fs');
  if (existsSync(from)) cpSync(from, to, { recursive: true, filter: (path) => path === from || path.endsWith('.sql') })
`
  .trim()
  .replaceAll(/\s+/g, ' ')

/** Copies the `.sql` files of each folder, and nothing else of it, next to the bundle, into a folder of the name given. */
export const sqlHook = (folders: Record<string, string>): ICommandHooks => ({
  beforeBundling: () => [],
  beforeInstall: () => [],
  afterBundling: (_input, output) =>
    Object.entries(folders).map(([name, from]) => `node -e "${copy}" "${from}" "${join(output, name)}"`),
})
