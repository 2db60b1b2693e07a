import { type Handler, invoke } from './invoke.ts'

const intervalMs = 60_000

/**
 * Calls the monitor at once, and again every minute, as the schedule of a deployed environment does. Returns
 * a function that stops it.
 */
export function startMonitor(handler: Handler): () => Promise<void> {
  const event = { trigger: 'schedule', schedule: 'monitor' }
  const call = () => invoke('monitor', handler, event, 60).catch((error) => console.error(error))
  let current = call()
  const timer = setInterval(() => {
    current = current.then(call)
  }, intervalMs)
  return async () => {
    clearInterval(timer)
    await current
  }
}
