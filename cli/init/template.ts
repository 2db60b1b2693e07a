import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import cdk from '../../cdk.json' with { type: 'json' }
import packageJson from '../../package.json' with { type: 'json' }
import { templateFolder } from '../../src/package-files.ts'

/** What is known of the server that the CDK app is for. */
export interface KnownServer {
  account: string
  region: string
  /** The lines of the construct. */
  construct: string
}

const version = packageJson.version

/** The packages that a folder needs: each folder, and one with a CDK app. */
export const packages = {
  every: [`viewkeeper@${version}`],
  aws: ['aws-cdk@2', 'aws-cdk-lib@2', 'constructs@10'],
}

/** The files of a part of the template for a folder of this name, by their paths in it. */
export function filesOf(
  part: 'every' | 'aws' | 'serve',
  folder: string,
  known?: KnownServer,
): [path: string, text: string][] {
  const root = fileURLToPath(new URL(part, templateFolder))
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)))
    .sort()
    .map((path): [string, string] => {
      const text = readFileSync(join(root, path), 'utf8')
        .replaceAll('{{name}}', packageName(folder))
        .replaceAll('{{version}}', version)
      // npm leaves a .gitignore out of packages.
      return [path.replace(/^gitignore$/, '.gitignore'), known ? fill(text, known) : text]
    })
  // The flags of CDK are those with which the construct is tested.
  const app = { app: 'node bin/app.mts', context: cdk.context }
  return part === 'aws' ? [...files, ['cdk.json', `${JSON.stringify(app, null, 2)}\n`]] : files
}

/** A name that npm takes. */
const packageName = (folder: string): string =>
  folder
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '') || 'views'

const constructInApp = / {4}new Viewkeeper\([\s\S]*?\n {4}\}\)\n/

/** The construct with its examples, as the app of the template has it. */
export function exampleConstruct(): string {
  const app = readFileSync(new URL('aws/bin/app.mts', templateFolder), 'utf8')
  return constructInApp.exec(app)![0].replaceAll(/^ {4}/gm, '').trimEnd()
}

/** The text of a file with what is known instead of the examples. */
function fill(text: string, { account, region, construct }: KnownServer): string {
  const filled = text
    .replace(constructInApp, () => `${construct.replaceAll(/^/gm, '    ')}\n`)
    .replace("'123456789012'", `'${account}'`)
    .replace("'eu-central-1'", `'${region}'`)
    .replace('{ DatabaseInstance }', `{ ${/Database\w+(?=\.fromLookup)/.exec(construct)![0]} }`)
  return construct.includes('Secret.') ? filled : filled.replace(/^import \{ Secret \}.*\n/m, '')
}
