import { once } from 'node:events'
import { advance } from '../../../src/batch/advance.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { muchLater } from '../waiting/until.ts'

/** A process to kill: prints `ready`, waits for a line, advances a batch. Arguments: database URL, batch. */
const [url, batchId] = process.argv.slice(2) as [string, string]

process.stdout.write('ready\n')
await once(process.stdin, 'data')
await advance(batchId, { database: connectTo(fromUrl(url)), until: muchLater() })
process.exit(0)
