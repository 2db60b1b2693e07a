import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { demo, loadDemo } from '../../../local/demo/project.ts'
import { startEmbeddedPostgres } from '../../../local/embedded/embedded.ts'
import { startGateway } from '../../../serve/http/gateway.ts'
import { makeViews } from '../../../serve/start/database.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { servedOn } from '../../support/api/served.ts'

/** The demo of `npm start` with its gateway and its page, on a server and in a folder of its own. */
export async function startDemo() {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-pictures-'))
  // A vacuum that comes by would be in the pictures as somebody who is in the way.
  const server = await startEmbeddedPostgres({ folder, parameters: { autovacuum: 'off' } })
  await loadDemo(server.url)
  const database = connectTo(fromUrl(server.url))
  await migrate(database, new URL('../../../schema/', import.meta.url))
  await makeViews(database, demo)
  const gateway = await startGateway({ port: 0, served: servedOn(database) })
  return {
    url: gateway.url,
    databaseUrl: server.url,
    async stop() {
      await gateway.close()
      await server.stop()
      await rm(folder, { recursive: true })
    },
  }
}
