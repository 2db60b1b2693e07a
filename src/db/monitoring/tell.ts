import type { Telling, Trouble } from '../../plan/monitoring/telling.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { longestPublishing } from './publish.ts'

/**
 * Passes to `publish`, of everything that had a trouble at `readAt`, the names to tell of. These are new: the trouble was not there at the last
 * look. If a reminder is due, all names are told again, so that one mail reminds of everything.
 *
 * Publishes before the telling is on record: if this process dies in between, the same is told twice rather than never. Of
 * two monitors at once, the second waits for the rows of the first, and then does not tell of them; what one has noted since the other
 * read is not noted back.
 */
export const tell = (
  sql: Sql,
  trouble: Trouble,
  { names, readAt }: { names: string[]; readAt: Date },
  { remindSeconds, apartSeconds }: Telling,
  publish: (told: string[]) => void,
): Promise<void> =>
  withTransaction(sql, async (transaction) => {
    await transaction`select set_config('idle_in_transaction_session_timeout', ${longestPublishing}, true)`
    const before = (seconds: number | null) =>
      transaction`(clock_timestamp() - make_interval(secs => ${seconds}))`
    const told = await transaction<{ name: string }[]>`
      with troubled as materialized (
        select name, position from jsonb_array_elements_text(${transaction.json(names)}) with ordinality as t(name, position)),
      known as materialized (select * from viewkeeper.told where trouble = ${trouble}),
      ended as (
        select name from viewkeeper.told
         where trouble = ${trouble} and over_at is null and told_at < ${readAt} and name not in (select name from troubled)
         order by name for no key update),
      over as (
        update viewkeeper.told set over_at = clock_timestamp() where trouble = ${trouble} and name in (select name from ended)),
      due as (
        select name from troubled left join known using (name)
         where (known.over_at >= ${readAt}) is not true
           and not exists (select from known where told_at > ${before(apartSeconds)})
           and (known.name is null or known.over_at is not null
                or exists (select from troubled join known using (name) where over_at is null and told_at <= ${before(remindSeconds)}))),
      told as (
        insert into viewkeeper.told as t (trouble, name, told_at, began_at)
        select ${trouble}, name, moment.now, moment.now from due, (select clock_timestamp() as now) moment order by name
        on conflict (trouble, name) do update
          set told_at = excluded.told_at, over_at = null,
              began_at = case when t.over_at is null then t.began_at else excluded.began_at end
         where t.over_at is not null or t.told_at <= ${before(apartSeconds)}
        returning name)
      select name from troubled join told using (name) order by position`
    publish(told.map(({ name }) => name))
  })
