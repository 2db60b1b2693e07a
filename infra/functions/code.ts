import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AssetHashType, DockerImage } from 'aws-cdk-lib'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { functionsFolder } from '../../src/package-files.ts'
import { Problem } from '../../src/problem.ts'

/** What stands in the folder of a function beside its bundle. */
export interface Beside {
  /** Folders whose `.sql` files are copied, by the names that they have there. */
  sql?: Record<string, string>
  /** Texts, by the names of their files. */
  texts?: Record<string, string>
}

/** The bundle of a function, as the build made it, the whole folder, and what stands beside it. */
export const codeOf = (name: string, { sql = {}, texts = {} }: Beside = {}): Code => {
  const bundle = bundleOf(name)
  const beside = [...Object.entries(sql), ...Object.entries(texts)].flat()
  if (beside.length === 0) return Code.fromAsset(bundle)
  return Code.fromAsset(bundle, {
    // The files of several folders are one asset: its hash is known when they are together.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      local: {
        tryBundle(output) {
          cpSync(bundle, output, { recursive: true })
          for (const [key, from] of Object.entries(sql)) copySql(from, join(output, key))
          for (const [file, text] of Object.entries(texts)) writeFileSync(join(output, file), text)
          return true
        },
      },
      // CDK wants an image, and never starts it: the local way has always succeeded before.
      image: DockerImage.fromRegistry('scratch'),
      // CDK bundles once for all assets whose options are alike, and functions do not count: another folder is another asset.
      command: beside,
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
