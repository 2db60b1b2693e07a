import * as z from 'zod/mini'
import { type HandedOut, handOut } from '../../events/hand-out.ts'
import { text } from '../fields.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'

const question = z.strictObject({ token: z.nullable(text(100)), done: z.array(z.int()), stop: z.boolean() })

/** Answers `send`: hands out what waits, and removes what is sent. */
export const answerNews = (
  event: unknown,
  { database, environment }: Pick<Configuration, 'environment' | 'database'>,
): Promise<HandedOut> => handOut(database, validate(question, event, 'event'), environment)
