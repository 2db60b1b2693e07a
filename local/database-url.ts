import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLiveServer } from './embedded/lock.ts'
import { readOptions } from './process/options.ts'

// Prints the address of the embedded server that `npm start` runs, for DATABASE_URL and psql. The address
// holds the password.
const { folder } = readOptions(process.env)
const server = findLiveServer(join(folder, 'postgres-18'))
if (server === undefined) {
  console.error(`viewkeeper: no PostgreSQL runs on ${folder}/; start it with npm start`)
  process.exit(1)
}
const password = readFileSync(join(folder, 'password'), 'utf8')
console.log(`postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`)
