import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertServed } from './refreshes.ts'
import { deployFails } from './support/apps/outcomes.ts'
import type { Deployed } from './support/deployed.ts'
import { addReader, assertReader, assertYearlySales, yearlySales } from './support/project/yearly-sales.ts'
import { stage } from './support/transcript.ts'
import { commandPolicy, refreshPolicy } from './test-environment.ts'

const file = 'yearly_sales.ts'
const amount = 'sum(amount) as amount'
const first = { columns: 'year, amount', migrations: ['001_yearly_sales'] }
const second = { columns: 'year, amount, sales', migrations: ['001_yearly_sales', '005_yearly_sales'] }

/** Freezes the view as it is first. */
export const freezeView = ({ project }: Pick<Deployed, 'project'>): Promise<void> =>
  stage('viewkeeper freeze, tried on the database', async () => {
    project.author(file, yearlySales(amount))
    const files = await project.freeze('-m', 'The finance team asks for it')
    assert.deepEqual(files, ['001_yearly_sales.down.sql', '001_yearly_sales.up.sql'])
  })

export const findView = ({ sql }: Deployed): Promise<void> =>
  stage('the view is there, filled, authored, by a run of the deploy', async () => {
    await assertYearlySales(sql, { ...first, trigger: 'deploy' })
    await addReader(sql)
  })

/** Deploys a migration of the view that fails, with nothing else changed, and takes it away again. */
export async function breakView({ project, cdk, options, sql, api }: Deployed, runId: number): Promise<void> {
  project.author(file, yearlySales(amount, 'sum(price) as price'))
  const files = await project.freeze('--unverified', '-m', 'Nobody has tried this')
  const up = files.find((name) => name.endsWith('.up.sql'))!
  const lines = readFileSync(join(project.migrationsFolder, up), 'utf8').split('\n')
  const place = `migrations/${up}, line ${lines.findIndex((line) => line.includes('sum(price)')) + 1}`
  const failToDeploy = async () => {
    const said = await deployFails(cdk, options, place)
    assert.match(said, /column "price" does not exist \(42703\)/)
    return said
  }
  await stage('cdk deploy with a broken view fails, naming file and line', failToDeploy, (said) => said)
  await stage('… and leaves database and API as they were', async () => {
    await assertYearlySales(sql, { ...first, trigger: 'deploy' })
    await assertReader(sql)
    await assertServed(api, runId)
  })
  project.discard(files)
  project.author(file, yearlySales(amount))
}

/** Freezes another query of the view. */
export const changeView = ({ project }: Deployed): Promise<void> =>
  stage('viewkeeper freeze of another query', async () => {
    project.author(file, yearlySales(amount, 'count(*)::integer as sales'))
    const files = await project.freeze('-m', 'How many sales they were')
    assert.deepEqual(files, ['005_yearly_sales.down.sql', '005_yearly_sales.up.sql'])
  })

export const findChangedView = ({ sql }: Deployed): Promise<void> =>
  stage('… and the view has its new query, and its reader as before', async () => {
    await assertYearlySales(sql, { ...second, trigger: 'deploy' })
    await assertReader(sql)
  })

/** Uses the command line from afar, as somebody who may do nothing else. */
export async function commandFromAfar({ project, aws, api, sql, functions }: Deployed): Promise<void> {
  const author = await aws.createUser('author', commandPolicy('deploy-test', functions.migrate))
  const viewkeeper = async (...args: string[]) => {
    const { code, output } = await project.command(author, ...args)
    return { code, output: output.trimEnd() }
  }
  await stage('viewkeeper migrate status --env, for who may invoke migrate', async () => {
    const { code, output } = await viewkeeper('migrate', 'status')
    assert.equal(code, 0, output)
    assert.match(output, /^.+001_yearly_sales .+\n(.+\n){3}.+005_yearly_sales .+$/)
    const other = await aws.createUser('other', refreshPolicy(api.id))
    const refused = await project.command(other, 'migrate', 'status')
    assert.equal(refused.code, 3)
    assert.match(refused.output, /may not read parameter \/viewkeeper\/deploy-test/)
  })
  await stage('viewkeeper drift --env: only the view that nobody has authored', async () => {
    const { output } = await viewkeeper('drift', '--json')
    const found = JSON.parse(output).differences.map(({ kind, view }: never) => [kind, view])
    assert.deepEqual(found, [['unmanaged', 'public.sales']])
  })
  const migrate = async (way: 'down' | 'up', to: typeof first) => {
    const { code, output } = await viewkeeper('migrate', way, ...(way === 'down' ? ['--yes'] : []))
    assert.equal(code, 0, output)
    await assertYearlySales(sql, { ...to, trigger: 'cli' })
    await assertReader(sql)
    return output.split('\n')[0]!.trim()
  }
  const putBack = () => migrate('down', first)
  await stage('viewkeeper migrate down --env puts the earlier query back', putBack, (said) => said)
  const bringAgain = () => migrate('up', second)
  await stage('viewkeeper migrate up --env brings the later one again', bringAgain, (said) => said)
}
