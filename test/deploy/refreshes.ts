import assert from 'node:assert/strict'
import { metricNames } from '../../src/api/lambda/aws-names.ts'
import { assertMetrics } from './metrics.ts'
import type { Deployed } from './support/deployed.ts'
import { type Api, root } from './support/emulator/aws.ts'
import { poll, stage } from './support/transcript.ts'
import { refreshPolicy } from './test-environment.ts'

const refreshPath = '/views/public.sales/refresh'

/** Refreshes as somebody who may do nothing else, and looks for the traces; gives the id of the run. */
export async function refreshByHttp({ api, aws, sql }: Deployed): Promise<number> {
  const caller = await aws.createUser('ci', refreshPolicy(api.id))
  await stage('a request that is not signed is refused', async () => {
    assert.equal((await api.call('POST', refreshPath)).status, 403)
  })
  const runId = await stage('POST /views/public.sales/refresh, signed', async () => {
    await sql`insert into public.sale values ('2027-01-01', 1)`
    const answer = await api.call('POST', refreshPath, caller, { Prefer: 'wait=20' })
    assert.equal(answer.status, 200, answer.body)
    const result = JSON.parse(answer.body)
    assert.equal(result.status, 'updated')
    assert.equal((await sql`select from public.sales where day = '2027-01-01'`).length, 1)
    return result.runId as number
  })
  await stage('its caller may do nothing else', async () => {
    assert.equal((await api.call('GET', '/runs', caller)).status, 403)
    assert.equal((await api.call('POST', `/runs/${runId}/cancel`, caller)).status, 403)
  })
  await stage('its run is in viewkeeper.runs', async () => {
    const [row] = await sql`select status, trigger from viewkeeper.runs where id = ${runId}`
    assert.deepEqual({ ...row }, { status: 'success', trigger: 'http' })
  })
  await stage('its line is in the log group', () =>
    poll('a line with the run', async () => {
      const log = await aws.readLog('/viewkeeper/deploy-test/refresh')
      return log.find((line) => line.runId === runId)
    }),
  )
  return runId
}

/** Insists that the API still answers with the run. */
export async function assertServed(api: Api, runId: number): Promise<void> {
  const answer = await api.call('GET', `/runs/${runId}`, root)
  assert.equal(answer.status, 200, answer.body)
  assert.equal(JSON.parse(answer.body).status, 'success')
}

/** Waits for the monitor's minute. */
export async function findMetrics({ aws }: Deployed): Promise<void> {
  await stage('the monitor publishes ended runs, as the alarms expect them', () =>
    poll('a line of metrics', async () => {
      const log = await aws.readLog('/viewkeeper/deploy-test/monitor')
      const lines = log.filter((line) => line._aws)
      const at = lines.findIndex((line) => Number(line[metricNames.runsSucceeded]) > 0)
      // What a look comes to ends with what is stale.
      if (at < 0 || !lines.slice(at).some((line) => metricNames.viewsStale in line)) return undefined
      assertMetrics(lines)
      return lines
    }),
  )
}
