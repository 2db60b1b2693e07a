import { answerNotice } from '../src/edge/handlers/notice.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Says what people have to be told now, for `notify`: which views, why, and what to type. */
export const handler = eventFunction((event) => answerNotice(event, readConfiguration()))
