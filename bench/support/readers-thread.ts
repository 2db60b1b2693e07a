import { setTimeout as pause } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import postgres from 'postgres'
import { rowsOfBigView } from './data.ts'
import { type ReadersTask, readerConnections, readsPerSecond } from './readers.ts'

// One read at a time on each connection: a read must not wait behind one that postgres.js has sent before.
const sql = postgres(workerData.url, { max: readerConnections, ...({ max_pipeline: 1 } as object) })

type Read = Exclude<ReadersTask, 'stop'>

let stopped = true
let reading: Promise<number[]> = Promise.resolve([])

parentPort!.on('message', async (task: ReadersTask) => {
  if (task === 'stop') {
    stopped = true
    parentPort!.postMessage(await reading)
  } else {
    await warmUp(task)
    stopped = false
    reading = readUntilStopped(task)
    parentPort!.postMessage([])
  }
})

/** Each read is due at its own time, however long others take: so a second of waiting shows in 100 reads. */
async function readUntilStopped(task: Read): Promise<number[]> {
  const answers: Promise<number>[] = []
  const start = performance.now()
  for (let n = 0; !stopped; n++) {
    const due = start + (n * 1000) / readsPerSecond
    const early = due - performance.now()
    if (early > 0) await pause(early)
    if (stopped) break
    answers.push(readOne(task).then(() => performance.now() - due))
  }
  return Promise.all(answers)
}

const readOne = ({ read, rows = rowsOfBigView }: Read) =>
  sql`select amount, version from ${sql(read)} where id = ${1 + Math.floor(Math.random() * rows)}`

/** Opens the connections, and fills the caches of each by reading the view. */
async function warmUp(task: Read): Promise<void> {
  const together = Array.from({ length: readerConnections * 4 }, () => readOne(task))
  await Promise.all(together)
}

await Promise.all(Array.from({ length: readerConnections }, () => sql`select pg_sleep(0.1)`))
parentPort!.postMessage([])
