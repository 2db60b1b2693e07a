import { eventFunction } from '../src/edge/function.ts'
import { watch } from '../src/edge/monitor.ts'

/** Every minute: closes lost runs and publishes ended ones. */
export const handler = eventFunction(watch)
