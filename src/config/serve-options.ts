import * as z from 'zod'
import { commonFields } from './fields.ts'
import { notify } from './notify.ts'
import type { CommonOptions } from './options.ts'
import { told } from './told.ts'

/** What `viewkeeper serve` obeys. */
export const serveOptions = z.strictObject({
  ...commonFields(),
  notify: told(
    notify.prefault({}),
    'Whom `viewkeeper serve` [tells](monitoring-serve.md).',
    'nobody but the log',
  ),
})

/** The options that a keeper obeys. Without `schedules`, nothing is refreshed by the clock. */
export type KeeperConfig = Omit<CommonOptions, 'alarmEmails' | 'pageUrl' | 'runbookUrl' | 'logLevel'>
