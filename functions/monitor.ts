import { monitorEnvironment } from '../src/edge/handlers/monitor.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** At each scheduled call: closes lost runs, publishes ended runs and batches, and finds stale views. */
export const handler = eventFunction(() => monitorEnvironment(readConfiguration()))
