import assert from 'node:assert/strict'
import { startBrowser } from '../page/support/browser.ts'
import type { Deployed } from './support/deployed.ts'
import { stage } from './support/transcript.ts'

/** Operates the environment as its operator does, with no other rights: by the command line, and on the page. */
export async function operateFromAfar({ project, aws, policies, sql }: Deployed): Promise<void> {
  const operator = await aws.createUser('operator', policies.define)
  const viewkeeper = async (expected: number, ...args: string[]) => {
    const { code, output } = await project.command(operator, ...args)
    assert.equal(code, expected, output)
    return output.trimEnd()
  }
  const countRuns = async (): Promise<number> => {
    const rows = await sql`select from viewkeeper.runs where view_name = 'sales' and status = 'success'`
    return rows.length
  }
  await stage(
    'viewkeeper refresh sales --env, to the end of the run',
    async () => {
      const output = await viewkeeper(0, 'refresh', 'sales')
      const id = /✓ sales .+ run (\d+)/.exec(output)?.[1]
      const [run] =
        await sql`select status, trigger, requested_by as by from viewkeeper.runs where id = ${Number(id)}`
      assert.deepEqual(
        { ...run, by: /[^/]+$/.exec(run?.by)?.[0] },
        { status: 'success', trigger: 'http', by: 'operator' },
      )
      return output
    },
    lastLine,
  )
  await stage(
    'viewkeeper refresh --all --env, to the end of the batch',
    () => viewkeeper(0, 'refresh', '--all'),
    lastLine,
  )
  await stage('viewkeeper ls, why, runs and batches --env', async () => {
    assert.match(await viewkeeper(0, 'ls'), /^sales +no limit .+ success /m)
    assert.match(await viewkeeper(0, 'why', 'sales'), /^sales /)
    assert.match(await viewkeeper(0, 'runs', 'sales', '--limit', '1'), /success/)
    assert.match(await viewkeeper(0, 'batches', '--limit', '3'), /success/)
  })
  await stage('viewkeeper pause and resume --env', async () => {
    await viewkeeper(0, 'pause', 'sales')
    assert.match(await viewkeeper(1, 'refresh', 'sales'), /paused/)
    await viewkeeper(0, 'resume', 'sales')
  })
  await stage('… and for who may only read: refresh names the policy', async () => {
    const reader = await aws.createUser('reader', policies.read)
    const { code } = await project.command(reader, 'ls')
    assert.equal(code, 0)
    const refused = await project.command(reader, 'refresh', 'sales')
    assert.equal(refused.code, 3, refused.output)
    assert.match(refused.output, /viewkeeper-deploy-test-refresh/)
  })
  await stage('viewkeeper open --env: a click on the page refreshes a view', async () => {
    const before = await countRuns()
    const opened = await project.open(operator)
    const browser = await startBrowser()
    try {
      const page = await browser.newPage()
      await page.goto(opened.address)
      await page.getByRole('button', { name: 'Refresh public.sales', exact: true }).click({ timeout: 60_000 })
      await page
        .getByRole('status')
        .getByText(/public\.sales: done after/)
        .waitFor({ timeout: 60_000 })
    } finally {
      await browser.close()
      await opened.stop()
    }
    assert.equal(await countRuns(), before + 1)
  })
}

const lastLine = (output: string): string => output.split('\n').at(-1)!.trim()
