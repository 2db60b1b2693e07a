import type { Run } from '../../../src/api/answers.ts'

/** The runs of both lists, each once in its newest form, newest first. */
export function joinRuns(newer: Run[], older: Run[]): Run[] {
  const byId = new Map([...older, ...newer].map((run) => [run.id, run]))
  return [...byId.values()].sort((a, b) => b.id - a.id)
}

/** The points of a plot, oldest first: the ends of the successful refreshes in seconds, and a number of each. */
export function pointsOf(
  runs: Run[],
  number: (run: Run) => number | null,
): { ids: number[]; at: number[]; values: number[] } {
  const points = runs
    .filter(({ status, operation }) => status === 'success' && operation === 'refresh')
    .flatMap((run) => {
      const value = number(run)
      return value === null || run.finishedAt === null
        ? []
        : [{ id: run.id, at: Date.parse(run.finishedAt) / 1000, value }]
    })
    .sort((a, b) => a.at - b.at)
  return {
    ids: points.map(({ id }) => id),
    at: points.map(({ at }) => at),
    values: points.map(({ value }) => value),
  }
}
