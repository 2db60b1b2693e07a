import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from '../package/pack.ts'
import type { Place } from '../package/team.ts'
import { besideOthers, Example } from './example.ts'

/** A program that refreshes after its own import, without AWS. */
export async function tryExpress(tarball: Tarball, place: Place): Promise<void> {
  const express = new Example('express', tarball, place, await besideOthers())
  await stage('express: install without AWS', async () => {
    await express.follows('Start')
    for (const name of ['@aws-sdk', '@smithy', 'aws-cdk-lib', '@aws-lambda-powertools'])
      assert.equal(existsSync(join(express.team.folder, 'node_modules', name)), false, name)
  })
  await stage('express: an import is read in the view, and its run is on record', async () => {
    const output = await express.follows('Import')
    assert.match(output, /"runId":\d+,"strategy":"\w+"/)
    assert.match(output, /\[\{"day":"2026-11-01","amount":42\},\{"day":"2026-11-02","amount":8\}\]/)
    const runs = `select requested_by, status from viewkeeper.runs where operation = 'refresh' and requested_by = 'program:shop'`
    assert.deepEqual(await express.rows(runs), [['shop', 'success']])
  })
  assert.deepEqual(express.left, [])
}
