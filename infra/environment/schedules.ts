import * as z from 'zod'
import { timeZoneFault } from '../../src/authoring/schedule.ts'

const nightly = z.strictObject({
  /** Time of day in `timeZone`, `hh:mm`. Default 09:00. */
  at: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must look like "09:00"')
    .default('09:00'),
  /** IANA name: `Europe/Berlin`. Default `Etc/UTC`. */
  timeZone: z
    .string()
    .refine((name) => timeZoneFault(name) === null, {
      error: ({ input }) => timeZoneFault(String(input)) ?? '',
    })
    .default('Etc/UTC'),
})

/** The batches that schedules start. */
export const schedules = z.strictObject({
  /** The daily batch of every view; false: there is none. Default: at 09:00, Etc/UTC. */
  nightly: z
    .union([z.literal(false), nightly], 'must be false, or like { at: "09:00", timeZone: "Etc/UTC" }')
    .prefault({}),
  /** Whether views are refreshed by the schedules in their definitions, too. Default true. */
  views: z.boolean().default(true),
})
