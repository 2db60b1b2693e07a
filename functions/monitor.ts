import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { monitorEnvironment } from '../src/api/lambda/monitor.ts'

/** At each scheduled call: closes lost runs, publishes ended runs and batches, and finds stale views. */
export const handler = eventFunction(() => monitorEnvironment(readConfiguration()))
