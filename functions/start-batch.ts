import { deployedMachinery, startBatchWith } from '../src/edge/handlers/start-batch.ts'
import { eventFunction } from '../src/edge/server/function.ts'

const machinery = deployedMachinery()

/** Starts a batch, for the HTTP route, for schedules and on deploys. The one function outside the database's network. */
export const handler = eventFunction<object, unknown>((event, context) =>
  startBatchWith(machinery, event ?? {}, context),
)
