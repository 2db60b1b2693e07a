import { useEffect, useState } from 'preact/hooks'
import type { Run, RunList, View } from '../../../src/api/answers.ts'
import { asProblem, get } from '../api/client.ts'
import { withQuery } from '../api/paths.ts'
import type { ApiProblem } from '../api/problem.ts'
import { useGet } from '../live/use-live.ts'
import { joinRuns } from './runs.ts'

const mostAtFirst = 500
const pageSize = 200
const newest = 20

export interface LoadedRuns {
  runs: Run[]
  problem: ApiProblem | undefined
  /** Loads runs from before those that are here; undefined if there are none. */
  loadOlder: (() => Promise<void>) | undefined
}

/** The runs of a view, newest first: the last 500, older ones on demand, and the new ones as they come. */
export function useRuns({ view, id }: Pick<View, 'view' | 'id'>, running: boolean): LoadedRuns {
  const [loaded, setLoaded] = useState<{ runs: Run[]; next: string | null }>({ runs: [], next: null })
  const [problem, setProblem] = useState<ApiProblem>()
  const path = (limit: number, cursor?: string) => withQuery('/runs', { view: id ?? view, limit, cursor })

  const load = async (most: number, from: { runs: Run[]; next: string | null }, signal?: AbortSignal) => {
    let now = from
    try {
      do {
        const page = await get<RunList>(path(pageSize, now.next ?? undefined), signal)
        now = { runs: joinRuns(now.runs, page.runs), next: page.next }
        setLoaded(now)
      } while (now.next !== null && now.runs.length < most)
    } catch (thrown) {
      if (!signal?.aborted) setProblem(asProblem(thrown))
    }
  }
  useEffect(() => {
    const whole = new AbortController()
    load(mostAtFirst, { runs: [], next: null }, whole.signal)
    return () => whole.abort()
  }, [view])
  const live = useGet<RunList>(path(newest), running)

  return {
    runs: joinRuns(live.data?.runs ?? [], loaded.runs),
    problem,
    loadOlder: loaded.next === null ? undefined : () => load(0, loaded),
  }
}
