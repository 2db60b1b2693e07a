import * as z from 'zod'
import { commonFields, shortName } from './fields.ts'
import { notify } from './notify.ts'
import type { CommonOptions } from './options.ts'
import { told } from './told.ts'

/** What `viewkeeper serve` obeys. */
export const serveOptions = z.strictObject({
  ...commonFields(),
  environment: told(
    shortName.optional(),
    'The name that mails, the page, metrics and commands give it, such as `shop-production`; variable `VIEWKEEPER_ENVIRONMENT`.',
    '`local`',
  ),
  notify: told(
    notify.prefault({}),
    'Whom `viewkeeper serve` [tells](monitoring-serve.md).',
    'nobody but the log',
  ),
})

/** The options that a keeper obeys. */
export type KeeperConfig = Omit<CommonOptions, 'alarmEmails' | 'pageUrl' | 'runbookUrl' | 'logLevel'> & {
  /** The name that its words and metrics give it, such as `shop-production`. Default: `local`. */
  environment?: string
}
