import * as z from 'zod'
import { timeZoneFault } from '../catalog/plan/time-zone.ts'
import { named, told } from './told.ts'

const nightly = named(
  'NightlyOptions',
  'The daily batch of every view.',
  z.strictObject({
    at: told(
      z
        .string()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must look like "09:00"')
        .default('02:00'),
      'Time of day in `timeZone`, `hh:mm`.',
    ),
    timeZone: told(
      z
        .string()
        .refine((name) => timeZoneFault(name) === null, {
          error: ({ input }) => timeZoneFault(String(input)) ?? '',
        })
        .default('Etc/UTC'),
      'IANA name: `Europe/Berlin`.',
    ),
  }),
)

/** The batches that schedules start. */
export const schedules = named(
  'ScheduleOptions',
  'The batches that schedules start.',
  z.strictObject(
    {
      nightly: told(
        z
          .union([nightly, z.literal(false)], 'must be false, or like { at: "09:00", timeZone: "Etc/UTC" }')
          .prefault({}),
        'The daily batch of every view; `false`: none.',
        'as below',
      ),
      views: told(z.boolean().default(true), 'Whether schedules in definitions count, too.'),
    },
    {
      error: ({ code }) =>
        code === 'unrecognized_keys'
          ? "unknown field: the fields are nightly and views. When one view is refreshed stands in the view's own file: schedule, or targetLagSeconds"
          : undefined,
    },
  ),
)
