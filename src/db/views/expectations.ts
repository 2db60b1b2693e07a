import type { Sql } from '../server/connect.ts'

/** What a definition says about when its view is refreshed, besides its schedule. */
export interface Expectation {
  id: number
  pausedSince: Date | null
  /** The view has to be as fresh as its definition says from this moment on. */
  expectedSince: Date
  minIntervalSeconds: number
}

/** The expectations of these definitions. */
export const readExpectations = (sql: Sql, definitionIds: number[]): Promise<Expectation[]> => sql<
  Expectation[]
>`
  select id, paused_at as "pausedSince", expected_since as "expectedSince", min_interval_seconds as "minIntervalSeconds"
    from viewkeeper.definitions where id in (select value::integer from jsonb_array_elements_text(${sql.json(definitionIds)}))`
