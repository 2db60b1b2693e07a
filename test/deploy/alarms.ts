import assert from 'node:assert/strict'
import { metricDimensions, metricNames, metricNamespace } from '../../src/api/lambda/metrics/names.ts'
import type { Deployed } from './support/deployed.ts'
import { poll, stage } from './support/transcript.ts'

const environment = 'deploy-test'
const dimensions = metricDimensions(environment)

interface Mail {
  subject: string
  text: string
}

/** Sets alarms off, by hand and by their metrics, and reads the mails that people get of them. */
export async function soundAlarms(deployed: Deployed): Promise<void> {
  const { aws, topics } = deployed
  const inbox = await openInbox(aws, 'mails', topics.mail)
  const chat = await openInbox(aws, 'chat', topics.notices)
  /** As the runbook says. */
  const testAlarm = async (alarm: string) => {
    for (const state of ['OK', 'ALARM'] as const)
      await aws.setAlarmState(`viewkeeper-${environment}-${alarm}`, state, 'A test of the mail')
  }

  await stage(
    'an alarm that somebody sets off for a test sends a mail that says so',
    async () => {
      await testAlarm('failed-runs')
      // What has failed in the test before, and nobody was told of, is told on this occasion.
      return inbox.find('the test', ({ text }) => /is a test[; ]/.test(text))
    },
    ({ subject }) => subject,
  )
  await stage('the alarm of last resort is mailed as CloudWatch writes it', async () => {
    await testAlarm('silent-monitor')
    const isSilent = ({ text }: Mail) => alarmOf(text)?.AlarmName === 'viewkeeper-deploy-test-silent-monitor'
    const { text } = await inbox.find('the silent monitor', isSilent)
    assert.equal(alarmOf(text)!.NewStateReason, 'A test of the mail')
    await chat.find('the same for chat', isSilent)
  })

  await becomeStale(deployed, inbox, chat)
}

/** Two views become stale one after the other, and are fresh again: three mails. */
async function becomeStale(deployed: Deployed, inbox: Inbox, chat: Inbox): Promise<void> {
  const { aws, sql, functions } = deployed
  const publish = (metric: string, value: number, secondsAgo = 0) =>
    aws.putMetric(metricNamespace, metric, dimensions, value, secondsAgo)
  const isOk = async (alarm: string) =>
    (await aws.readAlarmState(`viewkeeper-${environment}-${alarm}`)) === 'OK' || undefined
  /** Publishes zeros, as the monitor does, until the alarm has forgotten what came before. */
  const quiet = (alarm: string, metric: string) =>
    poll(`${alarm} is over`, async () => {
      await publish(metric, 0)
      return isOk(alarm)
    })
  const limit = (view: string, seconds: number | null) => sql`
    update viewkeeper.definitions set max_staleness_seconds = ${seconds} where format('%I.%I', schema_name, name) = ${view}`
  /** The monitor looks until it has told of the view, or has found it well again. */
  const told = (view: string, lasts: boolean) =>
    poll(`the monitor tells of ${view}`, async () => {
      // As if the last telling were long ago.
      await sql`update viewkeeper.troubles set told_at = told_at - interval '10 minutes', began_at = began_at - interval '10 minutes' where name <> ${view}`
      await aws.invoke(functions.monitor)
      const rows = await sql`
        select from viewkeeper.troubles
         where trouble = 'stale' and name = ${view} and told_at >= began_at and (over_at is null) = ${lasts}`
      return rows.length > 0 || undefined
    })
  const isAbout = (view: string) => (mail: Mail) => mail.subject.endsWith(`${view} is stale`)

  const first = await stage(
    'a stale view is a mail that names it, and says what to type',
    async () => {
      await limit('public.sales', 1)
      await told('public.sales', true)
      // The alarm looks at one minute, so it can be over some seconds later.
      await poll('the alarm of stale views', async () => {
        await publish(metricNames.viewsStale, 1, 50)
        return (await aws.readAlarmState(`viewkeeper-${environment}-stale-views`)) === 'ALARM' || undefined
      })
      return inbox.find('the stale view', isAbout('public.sales'))
    },
    ({ subject }) => subject,
  )
  assert.equal(first.subject, '[deploy-test] public.sales is stale')
  assert.match(first.text, /^ {2}viewkeeper why public\.sales --env deploy-test$/m)
  assert.match(first.text, /^ {2}node_modules\/viewkeeper\/docs\/runbook\.md#stale-views$/m)

  await stage('… and the same as JSON', async () => {
    const { text } = await chat.find('the stale view', ({ text }) => text.includes('public.sales is stale'))
    const { source, content, metadata } = JSON.parse(text)
    assert.deepEqual([source, content.title], ['custom', first.subject])
    const { causes } = JSON.parse(metadata.additionalContext.notice)
    assert.equal(causes[0].views[0].view, 'public.sales')
  })
  const second = await stage(
    'a second one is a second mail, by the clock, though the alarm lasts',
    async () => {
      await limit('reports.yearly_sales', 1)
      await told('reports.yearly_sales', true)
      await sql`update viewkeeper.troubles set told_at = told_at - interval '10 minutes', began_at = began_at - interval '10 minutes'`
      await aws.invoke(functions.notify)
      return inbox.find('the second stale view', isAbout('reports.yearly_sales'))
    },
    ({ subject }) => subject,
  )
  assert.match(second.text, /2 views are stale in all: viewkeeper ls --stale --env deploy-test/)
  const over = await stage(
    'and one mail when both are fresh',
    async () => {
      await limit('public.sales', null)
      await limit('reports.yearly_sales', null)
      await told('public.sales', false)
      await quiet('stale-views', metricNames.viewsStale)
      return inbox.find('the end', ({ subject }) => subject.includes('OK: no view is stale any more'))
    },
    ({ subject }) => subject,
  )
  assert.match(over.text, /public\.sales was stale for .+\n.*reports\.yearly_sales was stale for /)
  assert.equal(inbox.mails.filter(isAbout('public.sales')).length, 1)
}

type Inbox = Awaited<ReturnType<typeof openInbox>>

/** A queue that gets what a topic gets. */
async function openInbox(aws: Deployed['aws'], name: string, topicArn: string) {
  const queue = await aws.subscribeQueue(`${name}-of-${environment}`, topicArn)
  const mails: Mail[] = []
  return {
    mails,
    /** Waits for a mail. */
    find: (what: string, isIt: (mail: Mail) => boolean): Promise<Mail> =>
      poll(`${what}, among ${name}`, async () => {
        mails.push(...(await aws.receive(queue)))
        return mails.find(isIt)
      }),
  }
}

interface AlarmMessage {
  AlarmName: string
  NewStateReason: string
}

/** What CloudWatch writes; null for a mail of words. */
function alarmOf(text: string): AlarmMessage | null {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
