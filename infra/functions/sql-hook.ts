import { join } from 'node:path'
import type { ICommandHooks } from 'aws-cdk-lib/aws-lambda-nodejs'

// One line without double quotes, because a shell reads it. It is a Node program, because Windows has no
// `cp`.
const copy = `
  const [from, to] = process.argv.slice(1), { cpSync, existsSync } = require('node:fs');
  if (existsSync(from)) cpSync(from, to, { recursive: true, filter: (path) => path === from || path.endsWith('.sql') })
`
  .trim()
  .replaceAll(/\s+/g, ' ')

/** Copies the `.sql` files of each folder next to the bundle, into a folder with the name of its key. */
export const sqlHook = (folders: Record<string, string>): ICommandHooks => ({
  beforeBundling: () => [],
  beforeInstall: () => [],
  afterBundling: (_input, output) =>
    Object.entries(folders).map(([name, from]) => `node -e "${copy}" "${from}" "${join(output, name)}"`),
})
