import {
  deployedMachinery,
  readStarterConfiguration,
  startBatchWith,
} from '../src/edge/handlers/start-batch.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

const configuration = readStarterConfiguration()
const machinery = deployedMachinery(configuration)

/**
 * Starts a batch, for the HTTP route, for schedules and for deploys. This is the only function outside the
 * network of the database.
 */
export const handler = eventFunction<object, unknown>((event, context) =>
  startBatchWith(machinery, event ?? {}, context, configuration),
)
