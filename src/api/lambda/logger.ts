import { Logger } from '@aws-lambda-powertools/logger'

/** Writes JSON lines into the function's log group. Secrets and row data never go in. */
export const logger = new Logger({ serviceName: 'viewkeeper' })
