import { watch } from '../src/edge/handlers/monitor.ts'
import { eventFunction } from '../src/edge/server/function.ts'

/** Every minute: closes lost runs and publishes ended ones. */
export const handler = eventFunction(watch)
