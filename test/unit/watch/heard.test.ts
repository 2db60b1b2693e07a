import { expect, test } from 'vitest'
import type { CountedTopic } from '../../../src/record/plan/watch.ts'
import { silenceOf, uncountedLines, unheardOf } from '../../../src/watch/plan/silence.ts'
import { lineOf, type Said } from '../../../src/words/commands.ts'

const arn = (name: string) => `arn:aws:sns:eu-central-1:123456789012:viewkeeper-shop-${name}`
const counted = (name: string, said: number | string): CountedTopic => ({
  topic: arn(name),
  confirmed: typeof said === 'number' ? said : null,
  error: typeof said === 'number' ? null : said,
})
const onLines = (said: Said[]) => said.map((each) => lineOf(each, null))
const quiet = { unrefreshed: [], forgotten: [], waitingSince: null, lacks: null, migrates: null, steps: [] }

const subscribe = `nobody hears what goes wrong: no subscription of topic ${arn('mail')} is confirmed. Subscribe, and open the link in the mail that comes: aws sns subscribe --topic-arn ${arn('mail')} --protocol email --notification-endpoint <address>`
const gone = (name: string) =>
  `topic ${arn(name)} is gone, and what is published to it is lost. Make it again, then its subscriptions: aws sns create-topic --name viewkeeper-shop-${name}`
const refuses = `it cannot be counted who hears what goes wrong: the policy of ${arn('mail')} does not let the role of the function send call sns:GetTopicAttributes (AuthorizationErrorException)`
const unset = 'nobody is told what goes wrong: set alarmEmails or notify'

type Case = {
  mailed?: boolean
  told?: boolean | null
  mail: number | string
  notices: number | string
  is: { told: boolean | null; lines?: string[]; uncounted?: string[] }
}
const denied = 'AuthorizationErrorException'
const cases: [string, Case][] = [
  ['an address that has confirmed', { mailed: true, mail: 1, notices: 0, is: { told: true } }],
  [
    'addresses of which none has, though a program listens',
    { mailed: true, mail: 0, notices: 2, is: { told: false, lines: [subscribe] } },
  ],
  ['topics of the app, one with a program', { mail: 0, notices: 1, is: { told: true } }],
  [
    'topics of the app to which nobody listens',
    { mail: 0, notices: 0, is: { told: false, lines: [subscribe] } },
  ],
  [
    'a topic that is gone',
    { mail: 1, notices: 'NotFoundException', is: { told: false, lines: [gone('notices')] } },
  ],
  [
    'a topic of another account that refuses',
    { mailed: true, mail: denied, notices: 1, is: { told: true, uncounted: [refuses] } },
  ],
  ['a refusal beside a topic with a program', { mail: denied, notices: 1, is: { told: true } }],
  [
    'no addresses, and nobody who subscribes: what the deploy has warned of',
    { told: false, mail: 0, notices: 0, is: { told: false, lines: [unset] } },
  ],
  ['no addresses, and a person who has subscribed', { told: false, mail: 1, notices: 0, is: { told: true } }],
]

test.each(cases)('%s', (_, { mailed = false, told = true, mail, notices, is }) => {
  const heard = { topics: [counted('mail', mail), counted('notices', notices)], mailed }
  const { lines, told: isTold } = silenceOf({ ...quiet, told, heard }, null)
  const { lines: expected = [], uncounted = [] } = is
  expect({ told: isTold, lines: onLines(lines), uncounted: onLines(uncountedLines(heard)) }).toEqual({
    told: is.told,
    lines: expected,
    uncounted,
  })
  expect(unheardOf(heard, told).map(({ next }) => expected.some((line) => line.endsWith(next)))).toEqual(
    expected.filter((line) => line !== unset).map(() => true),
  )
})

test('where nobody has counted, it is as the environment says', () => {
  for (const told of [true, false, null]) {
    const silence = silenceOf({ ...quiet, told, heard: null }, null)
    expect([silence.told, onLines(silence.lines)]).toEqual([told, told === false ? [unset] : []])
  }
  expect([unheardOf(null, true), uncountedLines(null)]).toEqual([[], []])
})
