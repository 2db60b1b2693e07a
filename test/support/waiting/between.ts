import type { Database, Sql } from '../../../src/server/database.ts'

/**
 * The same database, but `before` is called and awaited before each statement that work on it sends: that time is none of the
 * work's, so the work has an hour.
 */
export const between = (database: Database, before: () => Promise<unknown>): Database => ({
  ...database,
  withConnection: (work, options) =>
    database.withConnection((sql, leave) => work(interrupted(sql, before), leave), {
      ...options,
      deadline: Date.now() + 3_600_000,
    }),
})

const interrupted = (sql: Sql, before: () => Promise<unknown>): Sql =>
  new Proxy(sql, {
    apply: (target, self, words) => delayed(Reflect.apply(target, self, words), before),
    get(target, name) {
      const value = Reflect.get(target, name)
      if (name === 'begin')
        return (work: (sql: Sql) => unknown) => value((part: Sql) => work(interrupted(part, before)))
      return name === 'unsafe' ? (...words: unknown[]) => delayed(value(...words), before) : value
    },
  })

/**
 * A query is sent when it is awaited, unless it was sent ahead: that is not delayed. A query that is part of another is never
 * awaited, so not delayed either.
 */
function delayed<Query>(query: Query, before: () => Promise<unknown>): Query {
  if (!(query instanceof Promise)) return query
  return Object.defineProperty(query, 'then', {
    value: (...next: Parameters<Promise<unknown>['then']>) =>
      ('executed' in query && query.executed === true ? Promise.resolve() : before()).then(
        () => Object.getPrototypeOf(query).then.apply(query, next),
        next[1],
      ),
  })
}
