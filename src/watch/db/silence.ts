import type { Sql } from '../../server/database.ts'
import { type FailingChannel, type Silence, silenceLines } from '../plan/silence.ts'
import { forgottenPauses } from './incidents.ts'

/** The channels that fail, by name. */
export const readFailingChannels = async (sql: Sql): Promise<FailingChannel[]> => [
  ...(await sql<FailingChannel[]>`
    select channel, min(failed_at) as since, max(error) as error
      from viewkeeper.deliveries where failed_at is not null group by channel order by channel`),
]

/** What the last look of the monitor says of it, perhaps only of one view; nothing before the first. */
export async function readSilence(sql: Sql, view?: string): Promise<Silence> {
  const [found] = await sql<(Omit<Silence, 'lines'> & { lacks: number | null })[]>`
    select (looked.value ->> 'told')::boolean as told, (looked.value ->> 'lacks')::integer as lacks, coalesce((
             select jsonb_agg(format('%I.%I', d.schema_name, d.name) order by d.schema_name, d.name) from viewkeeper.definitions d
              where d.removed_at is null and d.paused_at is null and d.schedule is distinct from 'none'
                and d.scheduled_interval_seconds is null and d.promised_lag_seconds is null
                and exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                             where n.nspname = d.schema_name and c.relname = d.name and c.relkind = 'm')), '[]') as unrefreshed,
           to_jsonb(array(${forgottenPauses(sql)})) as forgotten
      from viewkeeper.switches looked where looked.key = 'looked'`
  const ofView = (views: string[] = []) => views.filter((each) => view === undefined || each === view)
  const said = {
    unrefreshed: ofView(found?.unrefreshed),
    told: found?.told ?? null,
    forgotten: ofView(found?.forgotten),
  }
  return { ...said, lines: [...silenceLines(said), ...lacksLine(found?.lacks ?? null)] }
}

/** A hotswap changes the functions, and does not migrate. */
const lacksLine = (lacks: number | null): string[] =>
  lacks === null
    ? []
    : [
        `migration ${lacks} is deployed, and this database lacks it: cdk deploy --hotswap does not migrate. Deploy again without it: npx cdk deploy`,
      ]
