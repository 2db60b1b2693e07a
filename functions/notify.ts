import { deployedMessenger, notifyPeople, readMessenger } from '../src/edge/handlers/notify.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

const messenger = deployedMessenger(readMessenger())

/** Makes mails of alarms. It is outside the network of the database, and asks `notice`. */
export const handler = eventFunction((event: object, context) =>
  notifyPeople(messenger, event, context, process.env.VIEWKEEPER_ENVIRONMENT ?? 'local'),
)
