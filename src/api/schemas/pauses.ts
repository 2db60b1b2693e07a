import * as z from 'zod/mini'
import { described, named } from './fields.ts'

/** The options of a pause: the body of its routes. */
export const pauseOptions = named(
  'PauseOptions',
  z.strictObject({
    until: described(
      z.optional(
        z.iso.datetime({ offset: true, error: 'must be a moment with its zone: "2026-11-28T09:00:00Z"' }),
      ),
      {
        description: 'When the pause ends by itself; by default somebody has to end it.',
      },
    ),
  }),
)
