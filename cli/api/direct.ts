import { answerRoutes } from '../../serve/http/routes.ts'
import type { ProcessLogger } from '../../serve/process.ts'
import { listOpenBatches } from '../../src/batch/read-batches.ts'
import { saidToDatabase } from '../../src/config/variables.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { keeperOf, silent } from '../../src/keeper/keeper.ts'
import { termsOf } from '../../src/keeper/terms.ts'
import { connectTo } from '../../src/server/connect.ts'
import { Problem } from '../../src/words/problem.ts'
import { readConfig } from '../project/folders.ts'
import type { Client } from './api.ts'
import { clientOf } from './client.ts'

/** An address for requests that leave no process. */
const url = 'http://database.invalid'

/**
 * The API on the database of a `DATABASE_URL`, without a server: this process answers each request itself, as the user of this machine.
 * A batch that it has begun waits for the next one who attends it when the process ends; runs go on in the server.
 */
export async function directApi(databaseUrl: string): Promise<Client> {
  const { serve } = await readConfig()
  const database = connectTo(fromUrl(databaseUrl), saidToDatabase(serve))
  const { advancer } = keeperOf(database, { config: serve })
  const { answerHere } = answerRoutes({
    served: {
      ...termsOf(serve),
      database,
      typed: null,
      security: 'none',
      trigger: 'cli',
      logger: defects,
      advance: (batchId) => void advancer.advance(batchId).catch(() => {}),
    },
    doorkeeperOf: () => undefined,
  })
  const client = clientOf({
    name: 'the database of DATABASE_URL',
    environment: null,
    url,
    async deliver(request) {
      const response = await answerHere(request)
      // Whoever has typed the command sees at once what is wrong.
      response.headers.delete('retry-after')
      return response
    },
  })
  return {
    ...client,
    send: (...asked) => client.send<never>(...asked).catch(inWordsOfCommands),
    async attend(batchId) {
      advancer.takeOver((await listOpenBatches(database)).filter(({ id }) => id === batchId))
    },
  }
}

/** A refusal is printed once, by the command. A defect leaves its places in the source. */
const defects: ProcessLogger = {
  ...silent,
  debug() {},
  error: (message, fields) =>
    'stack' in fields && process.stderr.write(`${JSON.stringify({ message, ...fields })}\n`),
  with: () => defects,
}

function inWordsOfCommands(thrown: unknown): never {
  if (!(thrown instanceof Problem) || thrown.code !== 'NotMigrated') throw thrown
  throw new Problem(
    'NotMigrated',
    'Schema viewkeeper of the database of DATABASE_URL is missing or old. As a login that may create it there, write `npx viewkeeper migrate up`.',
    { ...thrown.details, cause: thrown },
  )
}
