import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Address, addressKeys, parameterName } from '../../src/api/lambda/aws-names.ts'
import { succeed } from './support/command.ts'

/** What the app in Python takes from the parameter of the environment. */
const taken: (keyof Address)[] = ['apiArn', 'apiUrl', 'noticesTopicArn']

/** Synthesizes the app in Python of docs/cdk.md: CloudFormation finds in the environment's parameter what the app uses. */
export async function synthesizePythonApp(python: string, folder: string): Promise<void> {
  const outdir = join(folder, 'python-app')
  const app = fileURLToPath(new URL('python-app/app.py', import.meta.url))
  await succeed(python, [app], {
    env: { ...process.env, CDK_OUTDIR: outdir },
    log: join(folder, 'python-app.log'),
  })
  const text = readFileSync(join(outdir, 'Reports.template.json'), 'utf8')
  const { Parameters } = JSON.parse(text) as { Parameters: Record<string, { Type: string; Default: string }> }
  const lists = Object.values(Parameters).filter(({ Type }) => Type.endsWith('<List<String>>'))
  assert.deepEqual(
    lists.map(({ Default }) => Default),
    [parameterName('production')],
  )
  const read = [...text.matchAll(/"Fn::Select": \[\s*(\d+),\s*\{\s*"Ref"/g)].map(
    ([, at]) => addressKeys[Number(at)],
  )
  assert.deepEqual([...new Set(read)].sort(), taken)
}
