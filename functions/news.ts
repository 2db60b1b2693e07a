import { answerEvents } from '../src/edge/handlers/events.ts'
import { answerNotice } from '../src/edge/handlers/notice.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Says what has to be told now: people, for `notify`, and programs, for `announce`. Neither can reach the database. */
export const handler = eventFunction<object, unknown>((event) =>
  'done' in event ? answerEvents(event, readConfiguration()) : answerNotice(event, readConfiguration()),
)
