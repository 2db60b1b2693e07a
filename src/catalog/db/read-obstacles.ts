import type { Sql } from '../../server/database.ts'
import { asked, lackingQuery, type Obstacle, obstaclesQuery, type Requirement } from '../plan/rights.ts'

/** What requirements find, with the fixes, for the login. */
export async function readObstacles(sql: Sql, requirements: Requirement[]): Promise<Obstacle[]> {
  if (requirements.length === 0) return []
  const [row] = await sql.unsafe<{ obstacles: Obstacle[] }[]>(obstaclesQuery(requirements))
  return row?.obstacles ?? []
}

/** So many conditions are one statement: a server that is busy takes some 10 ms for each. */
const mostAtOnce = 200

/** Those of the requirements that are lacking, for who is `asking`, as `asked` says it; default: for the login. What differs in words only is asked once. */
export async function findLacking(
  sql: Sql,
  requirements: Requirement[],
  asking = asked(),
): Promise<Set<Requirement>> {
  const checks = [...new Set(requirements.map(lackingQuery))]
  const found = new Set<string | undefined>()
  for (let first = 0; first < checks.length; first += mostAtOnce) {
    const some = checks.slice(first, first + mostAtOnce)
    const arms = some.map((check, at) => `select ${at} as at where exists (${check})`)
    const rows = await sql.unsafe<{ at: number }[]>(`with ${asking} ${arms.join('\n  union all ')}`)
    for (const { at } of rows) found.add(some[at])
  }
  return new Set(requirements.filter((each) => found.has(lackingQuery(each))))
}
