import { endOn } from '../serve/process.ts'
import { runProject } from '../serve/start/run.ts'
import { demo } from './demo/project.ts'

process.on('uncaughtException', endOn)

// `npm start`: the demo on an embedded server, or the database of DATABASE_URL; there `-- --keep-fresh` runs its schedules, too.
await runProject({ ...demo, keepsFresh: process.argv.includes('--keep-fresh') })
