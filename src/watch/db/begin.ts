import { type Sql, withTransaction } from '../../server/connect.ts'

/**
 * Notes that the ends of runs and batches are published from now on. What has ended before is marked as published,
 * and as nothing that people or programs have to be told. False if it was noted before: then nothing changes.
 */
export const beginPublishing = (sql: Sql): Promise<boolean> =>
  withTransaction(sql, async (transaction) => {
    const { count } = await transaction`
      insert into viewkeeper.switches (key, value) values ('monitored', jsonb_build_object('since', clock_timestamp()))
      on conflict do nothing`
    if (count === 0) return false
    await transaction`
      update viewkeeper.runs set published_at = coalesce(published_at, clock_timestamp()),
             announced_at = coalesce(announced_at, '-infinity')
       where finished_at is not null and (published_at is null or announced_at is null)`
    await transaction`
      update viewkeeper.batches set published_at = coalesce(published_at, clock_timestamp()), noticed_at = '-infinity',
             announced_at = coalesce(announced_at, '-infinity')
       where finished_at is not null and (published_at is null or announced_at is null or noticed_at is null)`
    await transaction`delete from viewkeeper.events`
    return true
  })
