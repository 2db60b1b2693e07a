import type { Database } from '../../db/server/connect.ts'
import { lagsThatWork, type Recommendation, recommend } from '../../plan/batches/recommend.ts'
import { foretell, readRecord } from './plan.ts'
import type { Schedules } from './schedules.ts'

/** What to change about views, by their history and the plan of the coming day. Writes nothing. */
export async function getRecommendations(
  database: Database,
  schedules: Schedules,
): Promise<Recommendation[]> {
  const record = await database.withConnection(readRecord)
  const { look, views } = foretell(record, schedules)
  const long = views.flatMap(({ foretold }) => (foretold.missedBecause === 'long' ? [foretold.view] : []))
  const works =
    look === null
      ? new Map<string, number>()
      : lagsThatWork(record.views, record.dependencies, look, new Set(long))
  const parents = new Set([...record.dependencies.values()].flat())
  return views
    .flatMap(({ view, evidence, foretold, broken }) =>
      recommend(evidence, {
        ...view,
        ...foretold,
        broken,
        looksEveryMs: look?.everyMs ?? null,
        isParent: parents.has(view.view),
        worksMs: works.get(view.view) ?? null,
      }),
    )
    .sort((one, other) => (one.view < other.view ? -1 : one.view > other.view ? 1 : 0))
}
