import { answerEvents } from '../src/edge/handlers/events.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Hands events out, for `announce`: what has been refreshed, has failed or has ended. */
export const handler = eventFunction((event) => answerEvents(event, readConfiguration()))
