import { useEffect, useState } from 'preact/hooks'
import { asProblem } from '../api/client.ts'
import type { Live } from './use-live.ts'

/** What `load` returns, asked for once, when the component comes to the screen: for answers that are dear. */
export function useOnce<T>(load: (signal: AbortSignal) => Promise<T>): Live<T> {
  const [live, setLive] = useState<Live<T>>({ data: undefined, problem: undefined })
  useEffect(() => {
    const stop = new AbortController()
    load(stop.signal).then(
      (data) => setLive({ data, problem: undefined }),
      (thrown) => stop.signal.aborted || setLive({ data: undefined, problem: asProblem(thrown) }),
    )
    return () => stop.abort()
  }, [load])
  return live
}
