import { eventFunction } from '../src/api/lambda/function.ts'
import { type Messenger, notifyPeople } from '../src/api/lambda/notify.ts'

/** Its clients of AWS are larger than all the rest. They are loaded at the first call, and kept. */
let messenger: Messenger | undefined

/** Makes mails of alarms. It is outside the network of the database, and asks `news`. */
export const handler = eventFunction(async (event: object, context) => {
  const { deployedMessenger, readMessenger } = await import('../src/api/lambda/messenger.ts')
  messenger ??= deployedMessenger(readMessenger())
  const environment = process.env.VIEWKEEPER_ENVIRONMENT ?? 'local'
  return notifyPeople(messenger, event, context, environment, { runbookUrl: process.env.RUNBOOK_URL })
})
