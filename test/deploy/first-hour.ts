import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { metricDimensions, metricNames, metricNamespace } from '../../src/api/lambda/aws-names.ts'
import { awsEnvironment } from './support/apps/cdk.ts'
import type { FirstHourOptions } from './support/apps/first-hour-app.ts'
import { mustStop, stopAll } from './support/cleanup.ts'
import { finish } from './support/command.ts'
import { type Account, accountOf, callsOn, root } from './support/emulator/aws.ts'
import { startEmulator } from './support/emulator/emulator.ts'
import { preparePython } from './support/emulator/python.ts'
import { curl } from './support/emulator/signed-curl.ts'
import { startDatabase } from './support/project/database.ts'
import { poll, stage } from './support/transcript.ts'

// The first hour of an environment on an account: deploys it beside a small server of its own, looks by AWS' own APIs for what only AWS
// can show, writes a report, and destroys everything. With --emulator it is played without an account, as far as that goes.

const environmentName = 'first-hour'
const stackName = `viewkeeper-${environmentName}`
const view = 'first_hour.numbers'

const { values: said } = parseArgs({
  options: {
    profile: { type: 'string' },
    region: { type: 'string' },
    emulator: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const folder = path('../../.viewkeeper/first-hour')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

/** An account, and how the CDK finds it. */
type Place = Account & {
  env: NodeJS.ProcessEnv
  /** The address of the API as this machine reaches it. */
  reach(apiUrl: string): string
  standIn?: FirstHourOptions['standIn']
}

const place = said.emulator ? await emulated() : real()
const aws = callsOn(place)
const seen: { point: string; found: string }[] = []

/** One line of the report: what was found, or why not. A point that fails does not keep the next ones from being looked at. */
async function point(title: string, work: () => Promise<string>, needs: 'aws' | 'anything' = 'anything') {
  if (needs === 'aws' && said.emulator) return seen.push({ point: title, found: 'not on the emulator' })
  const found = await stage(title, work, (words) => words).catch((error: Error) => `**no**: ${error.message}`)
  return seen.push({ point: title, found })
}

const minutes = async <T>(most: number, question: string, look: () => Promise<T | undefined>): Promise<T> =>
  poll(question, look, most * 60_000)

let outputs: Record<string, string> = {}
try {
  const began = performance.now()
  const nightly = new Date(Date.now() + (said.emulator ? 10 : 25) * 60_000)
  const options: FirstHourOptions = {
    environmentName,
    migrationsFolder: path('first-hour/'),
    nightlyAt: nightly.toISOString().slice(11, 16),
    ...(place.standIn && { standIn: place.standIn }),
  }
  writeFileSync(join(folder, 'app.json'), JSON.stringify(options))
  await point('the account is bootstrapped, and the stack deployed', async () => {
    await cdk('bootstrap')
    await cdk('deploy', '--require-approval', 'never', '--outputs-file', join(folder, 'outputs.json'))
    outputs = JSON.parse(readFileSync(join(folder, 'outputs.json'), 'utf8'))[stackName]
    return `${Math.round((performance.now() - began) / 1000)} s`
  })
  if (outputs.ApiUrl !== undefined) await lookAtAll(outputs)
} finally {
  if (!said.keep) await point('everything is destroyed', destroy)
  report()
  await stopAll()
}

async function lookAtAll({ ApiUrl, Mail, Refreshed, DeadLetters, Machine }: Record<string, string>) {
  const api = async (method: 'GET' | 'POST', route: string, isSigned = true) => {
    const as = await place.credentials()
    const sign = isSigned ? { service: 'execute-api', region: place.region, as } : undefined
    return curl(`${place.reach(ApiUrl!)}${route}`, {
      method,
      headers: { Prefer: 'wait=20' },
      ...(sign && { sign }),
    })
  }
  const log = (name: string) => aws.readLog(`/viewkeeper/${environmentName}/${name}`)
  const alarm = (name: string) => `viewkeeper-${environmentName}-${name}`
  const state = (name: string, is: string, most: number) =>
    minutes(most, `${name} is ${is}`, async () => (await aws.readAlarmState(alarm(name))) === is || undefined)

  await point('the API answers who signs, and nobody else', async () => {
    assert.equal((await api('GET', '/views', false)).status, 403)
    const answer = await api('GET', '/views')
    assert.equal(answer.status, 200, answer.body)
    return '403, and 200'
  })
  await point('a view is refreshed, and EventBridge delivers the event', async () => {
    const began = performance.now()
    const answer = await api('POST', `/views/${view}/refresh`)
    assert.equal(answer.status, 200, answer.body)
    const answered = performance.now() - began
    await minutes(4, 'the event', async () => {
      const events = await aws.receiveEvents(Refreshed!)
      return events.find(({ detail }) => (detail as { view: string }).view === view)
    })
    return `answered after ${(answered / 1000).toFixed(1)} s, told ${((performance.now() - began) / 1000).toFixed(0)} s after the request`
  })
  await point('EventBridge has the monitor look each minute', async () => {
    const looks = await minutes(6, 'three looks', async () => {
      const lines = (await log('monitor')).filter((line) => metricNames.incidents in line)
      return lines.length > 2 ? lines : undefined
    })
    const at = looks.map(({ _aws }) => (_aws as { Timestamp: number }).Timestamp).sort()
    const apart = at.slice(1).map((each, before) => Math.round((each - at[before]!) / 1000))
    return `${apart.join(', ')} s apart`
  })
  await point(
    'CloudWatch reads the metrics in the log',
    async () => {
      const count = () =>
        aws.countMetric(metricNamespace, metricNames.waitingSeconds, metricDimensions(environmentName), 900)
      return `${await minutes(8, 'numbers', async () => (await count()) || undefined)} numbers of ${metricNames.waitingSeconds}`
    },
    'aws',
  )
  const inbox = await aws.subscribeQueue(alarm('mails'), Mail!)
  const mailOf = (name: string, is: string, most: number) =>
    minutes(most, `the mail of ${name}`, async () =>
      (await aws.receive(inbox)).find(({ text }) => text.includes(alarm(name)) && text.includes(`"${is}"`)),
    )
  await point('an alarm that is set off by hand is mailed', async () => {
    for (const each of ['OK', 'ALARM'] as const)
      await aws.setAlarmState(alarm('api-errors'), each, 'The first hour')
    await mailOf('api-errors', 'ALARM', 2)
    return 'yes'
  })
  await point(
    'Scheduler says for when a batch was scheduled',
    async () => {
      const input = await minutes(30, 'the nightly batch', async () =>
        (await aws.listInputs(Machine!)).find((each) => each.includes('"nightly"')),
      )
      const { scheduledTime } = JSON.parse(input)
      assert.ok(!Number.isNaN(Date.parse(scheduledTime)), input)
      return scheduledTime
    },
    'aws',
  )
  await point(
    'a call that Scheduler cannot deliver becomes a dead letter, and an alarm',
    async () => {
      const Arn = `arn:aws:lambda:${place.region}:000000000000:function:nobody`
      await aws.deliverAgain(environmentName, 'prune', { Arn, RetryPolicy: { MaximumRetryAttempts: 0 } })
      await minutes(10, 'the dead letter', async () => (await aws.receiveEvents(DeadLetters!))[0])
      await state('new-dead-letters', 'ALARM', 20)
      return 'yes'
    },
    'aws',
  )
  await point(
    'without the schedule of send CloudWatch mails that the monitor is silent, and with it that it is not',
    async () => {
      const began = performance.now()
      await aws.switchSchedule(environmentName, 'send', 'DISABLED')
      await mailOf('silent-monitor', 'ALARM', 25)
      const silent = performance.now() - began
      await aws.switchSchedule(environmentName, 'send', 'ENABLED')
      await mailOf('silent-monitor', 'OK', 25)
      return `after ${(silent / 60_000).toFixed(0)} minutes`
    },
    'aws',
  )
  await point(
    'the same app again is no change',
    async () => {
      await cdk('diff', '--fail')
      return 'yes'
    },
    'aws',
  )
}

async function destroy(): Promise<string> {
  const began = performance.now()
  if (said.emulator) await aws.deleteStack(stackName)
  else await cdk('destroy', '--force')
  await minutes(5, 'the end of the stack', async () => {
    const stack = await aws.describeStack(stackName)
    return stack === undefined || stack.status === 'DELETE_COMPLETE' || undefined
  })
  assert.deepEqual(await aws.listLogGroups(`/viewkeeper/${environmentName}/`), [])
  return `${Math.round((performance.now() - began) / 1000)} s; no log group stays`
}

function report(): void {
  const where = said.emulator ? 'the emulator' : `AWS, ${place.region}`
  const text = [
    `# The first hour on ${where}\n`,
    `${new Date().toISOString().slice(0, 16)} UTC\n`,
    '| point | found |\n|---|---|',
    ...seen.map(
      ({ point, found }) => `| ${point} | ${found.replaceAll(/\s*\n\s*/g, ' ').replaceAll('|', '/')} |`,
    ),
  ].join('\n')
  writeFileSync(join(folder, 'report.md'), `${text}\n`)
  console.log(`\n  ${join(folder, 'report.md')}`)
  if (seen.some(({ found }) => found.startsWith('**no**'))) process.exitCode = 1
}

async function cdk(...args: string[]): Promise<void> {
  const app =
    args[0] === 'bootstrap'
      ? "''"
      : `node ${path('support/apps/first-hour-app.ts')} ${join(folder, 'app.json')}`
  const program = [path('../../node_modules/aws-cdk/bin/cdk'), '--no-notices', '--no-color']
  const flags = ['--output', join(folder, 'cdk.out'), '--app', app === "''" ? '' : app]
  const direct = args[0] === 'deploy' && said.emulator ? ['--method', 'direct'] : []
  const given = args[0] === 'bootstrap' && said.emulator ? [`aws://000000000000/${place.region}`] : []
  const log = join(folder, 'cdk.log')
  const { code, output } = await finish(
    process.execPath,
    [...program, ...flags, ...args, ...given, ...direct],
    {
      env: place.env,
      log,
    },
  )
  if (code !== 0)
    throw new Error(`cdk ${args[0]} ended with ${code}: ${output.trim().split('\n').slice(-8).join('\n')}`)
}

/** The account of the profile. */
function real(): Place {
  const { profile, region = process.env.AWS_REGION } = said
  if (!region) throw new Error('--region is missing')
  const { config } = new LambdaClient({ region, ...(profile && { profile }) })
  return {
    region,
    addressOf: (service) => `https://${service}.${region}.amazonaws.com`,
    async credentials() {
      const { accessKeyId: key, secretAccessKey: secret, sessionToken: token } = await config.credentials()
      return { key, secret, token }
    },
    env: { ...process.env, AWS_REGION: region, ...(profile && { AWS_PROFILE: profile }) },
    reach: (apiUrl) => apiUrl.replace(/\/$/, ''),
  }
}

/** The emulator, and a PostgreSQL in the place of the server. */
async function emulated(): Promise<Place> {
  const python = await preparePython(path('../../.viewkeeper/test-deploy'), join(folder, 'python.log'))
  const emulator = await startEmulator(python, folder)
  const database = await startDatabase(join(folder, 'database'))
  mustStop('database', database)
  await database.sql`create database first_hour`
  const { username, password } = new URL(database.url)
  const account = accountOf(emulator)
  const admin = await callsOn(account).createSecret('first-hour', JSON.stringify({ username, password }))
  return {
    ...account,
    env: {
      ...awsEnvironment(emulator, root),
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: folder,
    },
    reach: (apiUrl) => `http://${new URL(apiUrl).hostname}:${emulator.port}`,
    standIn: {
      host: 'localhost',
      port: database.port,
      authority: database.authority,
      adminSecret: admin,
      endpoint: emulator.url,
    },
  }
}
