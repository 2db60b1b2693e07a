import { monitorEnvironment } from '../src/edge/handlers/monitor.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Every minute: closes lost runs, publishes ended runs and batches, and finds the views that are stale. */
export const handler = eventFunction(() => monitorEnvironment(readConfiguration()))
