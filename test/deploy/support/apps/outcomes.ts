import assert from 'node:assert/strict'
import type { AppOptions, Cdk } from './cdk.ts'

/** Deploys; the end of CDK's output is in the error when that fails. */
export async function deploySucceeds(cdk: Cdk, options: AppOptions, ...more: string[]): Promise<void> {
  const { code, output } = await cdk.deploy(options, ...more)
  if (code !== 0)
    throw new Error(`cdk deploy ended with ${code}\n${output.trimEnd().split('\n').slice(-40).join('\n')}`)
}

/** Deploys what has to fail in a file, and to be rolled back; gives what CDK says from the file's name on. */
export async function deployFails(cdk: Cdk, options: AppOptions, file: string): Promise<string> {
  const { code, output } = await cdk.deploy(options)
  assert.notEqual(code, 0)
  // The `migrate` of the version before, put back by the rollback, has to live with the database as it is.
  assert.match(output, /UPDATE_ROLLBACK_COMPLET/)
  const line = output.split('\n').find((text) => text.includes(file))
  assert.ok(line, output)
  return line.slice(line.indexOf(file))
}
