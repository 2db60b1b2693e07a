import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AssetHashType, DockerImage } from 'aws-cdk-lib'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { functionsFolder } from '../../src/package-files.ts'
import { Problem } from '../../src/problem.ts'

/** The bundle of a function, as the build made it: the whole folder. */
export const codeOf = (name: string): Code => Code.fromAsset(bundleOf(name))

/** The bundle of a function, and next to it the `.sql` files of each folder, in a folder with the name of its key. */
export const codeWithSql = (name: string, folders: Record<string, string>): Code => {
  const bundle = bundleOf(name)
  return Code.fromAsset(bundle, {
    // The files of several folders are one asset: its hash is known when they are together.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      local: {
        tryBundle(output) {
          cpSync(bundle, output, { recursive: true })
          for (const [key, from] of Object.entries(folders)) copySql(from, join(output, key))
          return true
        },
      },
      // CDK wants an image, and never starts it: the local way has always succeeded before.
      image: DockerImage.fromRegistry('scratch'),
      // CDK bundles once for all assets whose options are alike, and functions do not count: another folder is another asset.
      command: Object.entries(folders).flat(),
    },
  })
}

/** Copies the `.sql` files of a folder. A folder that is missing has none. */
export function copySql(from: string, to: string): void {
  if (!existsSync(from)) return
  cpSync(from, to, { recursive: true, filter: (path) => path === from || path.endsWith('.sql') })
}

function bundleOf(name: string): string {
  const folder = fileURLToPath(new URL(`${name}/`, functionsFolder))
  if (existsSync(folder)) return folder
  throw new Problem(
    'InvalidRequest',
    `The bundle of the function ${name} is missing: ${folder}. Run \`npm run build\`, or \`node build/functions.ts\` in ` +
      'the repository of Viewkeeper.',
  )
}
