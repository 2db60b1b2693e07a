import * as z from 'zod'
import { timeZoneFault } from '../../src/authoring/schedule.ts'

const nightly = z.strictObject({
  at: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must look like "09:00"')
    .default('09:00'),
  timeZone: z
    .string()
    .refine((name) => timeZoneFault(name) === null, {
      error: ({ input }) => timeZoneFault(String(input)) ?? '',
    })
    .default('Etc/UTC'),
})

/** The batches that schedules start. */
export const schedules = z.strictObject({
  nightly: z
    .union([z.literal(false), nightly], 'must be false, or like { at: "09:00", timeZone: "Etc/UTC" }')
    .prefault({}),
  views: z.boolean().default(true),
})
