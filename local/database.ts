import { count, report, timed } from '../cli/output/report.ts'
import { databaseFromEnvironment } from '../src/edge/server/configuration.ts'
import { migrate } from '../src/operations/schema/apply.ts'
import { LocalProblem } from './process/problem.ts'

const schema = new URL('../schema/', import.meta.url)

/** Brings schema `viewkeeper` of the database in DATABASE_URL up to date, and prints what was done. */
export async function migrateDatabase(): Promise<void> {
  const [{ applied, ahead }, ms] = await timed(() => migrate(databaseFromEnvironment(), schema))
  const done =
    applied.length > 0
      ? `${count(applied.length, 'step')} of schema viewkeeper`
      : 'schema viewkeeper is as it was'
  report.step('migrations', ahead.length > 0 ? `${done}; a newer version was here` : done, ms)
}

/** Connects to the database in DATABASE_URL, and prints what it is. */
export async function describeDatabase(): Promise<void> {
  const look = databaseFromEnvironment().withConnection(
    (sql) => sql`
      select current_setting('server_version') as version, current_database() as database,
             current_setting('is_superuser') = 'on' as "isSuperuser"`,
  )
  const [[row], ms] = await timed(() =>
    look.catch((cause: Error) => {
      throw new LocalProblem(
        `DATABASE_URL names a Postgres that cannot be used: ${cause.message} Without DATABASE_URL an embedded one is.`,
        { cause },
      )
    }),
  )
  // Never the URL itself: a password stands in it.
  const { host } = new URL(process.env.DATABASE_URL!)
  report.step(`postgres ${row?.version.split(' ')[0]}`, `DATABASE_URL, ${row?.database} at ${host}`, ms)
  if (row?.isSuperuser)
    report.line(
      'warning: this login is a superuser. Deployed functions refuse one; npm run create-role makes a login that is none',
    )
}
