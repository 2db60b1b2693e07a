import { beforeEach, expect, test } from 'vitest'
import { handler as monitor } from '../../../functions/monitor.ts'
import type { Heard } from '../../../src/record/plan/watch.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { earlier, emptyTables, writeSwitch } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { namesByKind } from '../../support/views/wrong.ts'
import { usePublished } from './past.ts'

const { url, database, sql } = useDatabase()
const { published } = usePublished(url)
const context = lambdaContext()
beforeEach(() => emptyTables(sql, 'incidents', 'events', 'switches'))

const topic = 'arn:aws:sns:eu-central-1:123456789012:viewkeeper-shop-mail'
const heard = (confirmed: number | null, error: string | null = null): { heard: Heard } => ({
  heard: { topics: [{ topic, confirmed, error }], mailed: true },
})
/** The incidents of channels that a look finds. */
const look = async (event: Partial<{ heard: Heard }> = {}) =>
  namesByKind(await monitor({ look: true, ...event }, context)).channel
const said = async () => (await listViews(database)).silence
const messages = () =>
  sql<{ subject: string; text: string }[]>`
    select detail ->> 'subject' as subject, detail ->> 'text' as text from viewkeeper.events where type = 'Message' order by sequence`

test('a topic that everybody has left is an incident, and a line of every list, until somebody subscribes', async () => {
  expect(await look(heard(2))).toEqual([])
  expect(await said()).toMatchObject({ told: true, lines: [] })

  expect(await look(heard(0))).toEqual(['topic viewkeeper-shop-mail'])
  expect(published('Incidents')).toEqual([0, 1])
  const line = {
    text: expect.stringMatching(/^nobody hears what goes wrong: /),
    next: expect.stringContaining(`aws sns subscribe --topic-arn ${topic} `),
  }
  expect(await said()).toMatchObject({ told: false, lines: [line] })
  const findings = await doctor(database, { views: 'all', role: null })
  expect(findings.silence).toMatchObject({ told: false, lines: [line] })
  // What the next looks do not count is as it was.
  expect(await look()).toEqual(['topic viewkeeper-shop-mail'])

  await earlier(sql, 'incidents', {}, '10 minutes', 'toldAt')
  expect(await look(heard(1))).toEqual([])
  expect(await said()).toMatchObject({ told: true, lines: [] })
  const [first, over] = await messages()
  expect(first?.text).toContain(`Next: aws sns subscribe --topic-arn ${topic}`)
  expect(over?.subject).toContain('OK: topic viewkeeper-shop-mail takes messages again')
})

test('what nobody has counted for three hours is not known', async () => {
  await look(heard(0))
  const [looked] = await sql`select value from viewkeeper.switches where key = 'looked'`
  const at = new Date(Date.now() - 181 * 60_000)
  await writeSwitch(sql, 'looked', { ...looked!.value, heard: { ...looked!.value.heard, at } })
  expect(await look()).toEqual([])
  expect(await said()).toMatchObject({ told: null, lines: [] })
})

test('a topic that cannot be counted is no incident; doctor says so', async () => {
  expect(await look(heard(null, 'AuthorizationErrorException'))).toEqual([])
  expect((await said()).lines).toEqual([])
  const { silence } = await doctor(database, { views: 'all', role: null })
  expect(silence?.lines).toMatchObject([
    { text: expect.stringMatching(/^it cannot be counted .* sns:GetTopicAttributes/), next: null },
  ])
})
