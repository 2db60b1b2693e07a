import assert from 'node:assert/strict'
import { metricDimensions, metricNames, metricNamespace } from '../../src/api/lambda/aws-names.ts'
import { earlier, insertRow, updateRows } from '../support/record/rows.ts'
import type { Deployed } from './support/deployed.ts'
import { root } from './support/emulator/aws.ts'
import { poll, stage } from './support/transcript.ts'

const environment = 'deploy-test'
const reason = 'A test of the mail'

interface Mail {
  subject: string
  text: string
}

/** Sets alarms off by hand, makes views stale, and reads the mails that people get of both. */
export async function soundAlarms(deployed: Deployed): Promise<void> {
  const { aws, topics } = deployed
  const inbox = await openInbox(aws, 'mails', topics.mail)
  const chat = await openInbox(aws, 'chat', topics.notices)
  /** As the runbook says. */
  const testAlarm = async (alarm: string) => {
    for (const state of ['OK', 'ALARM'] as const)
      await aws.setAlarmState(`viewkeeper-${environment}-${alarm}`, state, reason)
  }
  const isAlarm = (alarm: string) => (message: Mail) =>
    alarmOf(message)?.AlarmName === `viewkeeper-${environment}-${alarm}`

  await stage('an alarm of what the database cannot say is mailed as CloudWatch writes it', async () => {
    await testAlarm('silent-monitor')
    const mail = await inbox.find('the silent monitor', isAlarm('silent-monitor'))
    assert.equal(alarmOf(mail)!.NewStateReason, reason)
    assert.match(alarmOf(mail)!.AlarmDescription, / First: aws logs tail /)
    await chat.find('the same for chat', isAlarm('silent-monitor'))
  })

  await becomeStale(deployed, inbox, chat)
  await loseSender(deployed, inbox, isAlarm('unsent-messages'))
}

/** Two views become stale one after the other, and are fresh again: three mails. */
async function becomeStale({ aws, sql, functions }: Deployed, inbox: Inbox, chat: Inbox): Promise<void> {
  const limit = (view: string, maxStalenessSeconds: number | null) =>
    updateRows(sql, 'definitions', { view }, { maxStalenessSeconds })
  /** The monitor looks, as if the last message were long ago. */
  const look = async () => {
    await earlier(sql, 'incidents', {}, '10 minutes', 'toldAt')
    await aws.invoke(functions.send)
  }
  const isAbout = (view: string) => (mail: Mail) => mail.subject.startsWith(`${view} is stale`)

  const first = await stage(
    'a stale view is a mail that names it, and says what to type',
    async () => {
      await limit('public.sales', 1)
      return inbox.find('the stale view', isAbout('public.sales'), look)
    },
    ({ subject }) => subject,
  )
  assert.equal(first.subject, 'public.sales is stale [deploy-test]')
  assert.match(first.text, /^ {2}Next: viewkeeper refresh public\.sales --env deploy-test$/m)

  await stage('… and the same as JSON', async () => {
    const { text } = await chat.find('the stale view', ({ text }) => text.includes('public.sales is stale'))
    const { source, content } = JSON.parse(text)
    assert.deepEqual([source, content.title], ['custom', `\`${first.subject}\``])
  })
  await stage(
    'a second one is a second mail',
    async () => {
      await limit('reports.yearly_sales', 1)
      return inbox.find('the second stale view', isAbout('reports.yearly_sales'), look)
    },
    ({ subject }) => subject,
  )
  await stage(
    'and one mail when both are fresh',
    async () => {
      // At once, whenever the clock has the monitor look.
      for (const view of ['public.sales', 'reports.yearly_sales']) await limit(view, null)
      return inbox.find(
        'the end',
        ({ subject }) => subject === 'OK: 2 views are well again [deploy-test]',
        look,
      )
    },
    ({ subject }) => subject,
  )
  assert.equal(inbox.mails.filter(isAbout('public.sales')).length, 1)
}

/** Without its schedule, `send` sends nothing: CloudWatch mails that by what a look has measured, and every list says it. */
async function loseSender(
  { aws, api, sql, functions }: Deployed,
  inbox: Inbox,
  isIt: (mail: Mail) => boolean,
): Promise<void> {
  const alarm = `viewkeeper-${environment}-unsent-messages`
  const { waitingSeconds: metric } = metricNames
  /** CloudWatch takes the metric from the line that the monitor has logged last; the emulator does not read it there. */
  const measure = async () => {
    await aws.invoke(functions.monitor)
    const lines = await aws.readLog(`/viewkeeper/${environment}/monitor`)
    return Number(lines.findLast((line) => metric in line)?.[metric])
  }
  const publish = (value: number) =>
    aws.putMetric(metricNamespace, metric, metricDimensions(environment), value)
  await stage(
    'without the schedule of send, what waits is an alarm past it, and every list says it',
    async () => {
      await aws.switchSchedule(environment, 'send', 'DISABLED')
      // A call of send that began before may still take the first one: as the smallest value of a period counts, such a look is not
      // published. A value at the end of a minute counts for the one before.
      const waited = await poll('what waits is an alarm', async () => {
        const at = sql`clock_timestamp() - interval '15 minutes'`
        const detail = { subject: 'late', text: 'late', chat: {} }
        await insertRow(sql, 'events', { type: 'Message', subject: 'people', at, detail })
        const seconds = await measure()
        if (!(seconds >= 900)) return undefined
        await publish(seconds)
        return (await aws.readAlarmState(alarm)) === 'ALARM' ? seconds : undefined
      })
      const mail = await inbox.find('the alarm', isIt)
      assert.match(
        alarmOf(mail)!.AlarmDescription,
        /are not sent: nobody hears of anything\. First: aws logs tail /,
      )
      const { silence } = JSON.parse((await api.call('GET', '/views', root)).body) as {
        silence: { lines: { text: string }[] }
      }
      assert.match(
        silence.lines.map(({ text }) => text).join(),
        /messages and events have waited since .* and are not sent/,
      )
      return waited
    },
    (waited) => `${Math.round(waited)} s`,
  )
  await stage('… and with it, it is sent, and no alarm any more', async () => {
    await aws.switchSchedule(environment, 'send', 'ENABLED')
    const send = async () => {
      await aws.invoke(functions.send)
    }
    await inbox.find('the late message', ({ subject }) => subject === 'late', send)
    // What has ended a moment ago may wait.
    const seconds = await measure()
    assert.ok(seconds < 60)
    await publish(seconds)
    assert.equal(await aws.readAlarmState(alarm), 'OK')
  })
}

type Inbox = Awaited<ReturnType<typeof openInbox>>

/** A queue that gets what a topic gets. */
async function openInbox(aws: Deployed['aws'], name: string, topicArn: string) {
  const queue = await aws.subscribeQueue(`${name}-of-${environment}`, topicArn)
  const mails: Mail[] = []
  return {
    mails,
    /** Waits for a mail, and does something before each look for it. */
    find: (what: string, isIt: (mail: Mail) => boolean, before?: () => Promise<void>): Promise<Mail> =>
      poll(`${what}, among ${name}`, async () => {
        await before?.()
        mails.push(...(await aws.receive(queue)))
        return mails.find(isIt)
      }),
  }
}

/** What CloudWatch writes; null for a mail of words. */
function alarmOf({
  text,
}: Mail): { AlarmName: string; AlarmDescription: string; NewStateReason: string } | null {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
