import * as z from 'zod/mini'
import { text, validate } from '../src/api/fields.ts'
import { type Configuration, readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { type HandedOut, handOut } from '../src/events/hand-out.ts'

const question = z.strictObject({ token: z.nullable(text(100)), done: z.array(z.int()), stop: z.boolean() })

/** Answers `send`: hands out what waits, and removes what is sent. */
export const answerNews = (
  event: unknown,
  { database, environment }: Pick<Configuration, 'environment' | 'database'>,
): Promise<HandedOut> => handOut(database, validate(question, event, 'event'), environment)

/** Hands out what waits for people and programs to `send`, which cannot reach the database. */
export const handler = eventFunction((event) => answerNews(event, readConfiguration()))
