import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** What the thread of readers is told: to read a view by key from now on, or to stop and report. */
export type ReadersTask = { read: string; rows?: number | undefined } | 'stop'

/** Clients that read a view by key all the time, in their own thread, so that only the server delays them. */
export interface Readers {
  /** Reads the view while `work` runs. Returns the milliseconds of each read that was due meanwhile. */
  during(view: string, work: () => Promise<void>, rows?: number): Promise<number[]>
  leave(): Promise<void>
}

export const readsPerSecond = 100
export const readerConnections = 8

/** Starts the thread, its connections open. */
export async function startReaders(url: string): Promise<Readers> {
  const worker = new Worker(new URL('./readers-thread.ts', import.meta.url), { workerData: { url } })
  const ask = async (task: ReadersTask): Promise<number[]> => {
    worker.postMessage(task)
    const [answer] = await once(worker, 'message')
    return answer
  }
  await once(worker, 'message')
  return {
    async during(view, work, rows) {
      await ask({ read: view, rows })
      await work()
      return ask('stop')
    },
    async leave() {
      await worker.terminate()
    },
  }
}
