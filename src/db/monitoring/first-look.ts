import { type Sql, withTransaction } from '../server/connect.ts'

/**
 * Notes that a monitor looks at this database from now on. The first monitor marks everything that has ended before as
 * published: nobody wants alarms about what somebody tried before the environment was deployed.
 */
export const beginMonitoring = (sql: Sql): Promise<void> =>
  withTransaction(sql, async (transaction) => {
    const { count } = await transaction`
      insert into viewkeeper.switches (key, value)
      select 'monitored', jsonb_build_object('since', clock_timestamp())
       where not exists (select from viewkeeper.switches where key = 'monitored')
      on conflict do nothing`
    if (count === 0) return
    await transaction`
      update viewkeeper.runs set published_at = clock_timestamp()
       where finished_at is not null and published_at is null`
    await transaction`
      update viewkeeper.batches set published_at = clock_timestamp()
       where finished_at is not null and published_at is null`
  })
