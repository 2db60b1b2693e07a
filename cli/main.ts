import { endOn } from '../serve/process.ts'
import { main } from './program.ts'

process.on('uncaughtException', endOn)

// What `viewkeeper.js` starts: from this file in the repository, in the package from what is built of it.
await main(process.argv.slice(2))
