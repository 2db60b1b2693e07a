import * as z from 'zod/mini'
import { type HandedOut, handOut } from '../../events/hand-out.ts'
import { text } from '../fields.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'

const request = z.strictObject({
  token: z.nullable(text(100)),
  done: z.array(z.int()),
  stop: z.boolean(),
})

/** Hands the events out that wait for the bus, to `announce`, which cannot reach the database. */
export const answerEvents = (
  event: unknown,
  { environment, database }: Pick<Configuration, 'environment' | 'database'>,
): Promise<HandedOut> => handOut(database, validate(request, event, 'event'), environment)
