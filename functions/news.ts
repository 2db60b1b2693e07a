import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { answerEvents } from '../src/api/lambda/events.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { answerNotice } from '../src/api/lambda/notice.ts'

/** Says what has to be told now: people, for `notify`, and programs, for `announce`. Neither can reach the database. */
export const handler = eventFunction<object, unknown>((event) =>
  'done' in event ? answerEvents(event, readConfiguration()) : answerNotice(event, readConfiguration()),
)
