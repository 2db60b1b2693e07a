import * as z from 'zod/mini'
import { type HandedOut, handOut } from '../../events/hand-out.ts'
import { text } from '../fields.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'

// What waits for people and programs, for the function that sends it: that one cannot reach the database.

const question = z.strictObject({ token: z.nullable(text(100)), done: z.array(z.int()), stop: z.boolean() })

/** Hands out what waits, and notes what was sent. */
export const answerNews = (
  event: unknown,
  { database, environment }: Pick<Configuration, 'environment' | 'database'>,
): Promise<HandedOut> => handOut(database, validate(question, event, 'event'), environment)
