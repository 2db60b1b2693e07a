import type { Statement } from '../../sql/run-plan.ts'
import { newLog } from '../../words/commands.ts'
import { found } from './slice-marks.ts'

/** The key of `viewkeeper.switches` under which it stands which change logs have left slices wrong, by the definitions of their views. */
export const wrongSlices = 'wrong slices'

/** A view whose change log has left slices wrong, and the run that has found them. */
interface Wrong {
  view: string
  run: number
  wrong: number
  compared: number
}

/** A query for each `Wrong` whose log still stands, as JSON, by the names of the views. */
export const wrongOnes = `
  select w.found || jsonb_build_object('view', format('%I.%I', d.schema_name, d.name))
    from viewkeeper.switches s cross join jsonb_each(s.value) w(id, found) join viewkeeper.definitions d on d.id::text = w.id and d.removed_at is null
    join pg_class c on c.oid = (w.found ->> 'log')::oid where s.key = '${wrongSlices}' order by d.schema_name, d.name`

/** What people are told of it, and what to type. */
export const tellWrong = ({ view, run, wrong, compared }: Wrong) => ({
  view,
  runId: run,
  text: `Run ${run} computed all of ${view}, and found ${wrong} of ${compared} slices wrong that no change had touched: its change log had missed some. Its refreshes compute all slices until the log is made anew.`,
  next: newLog(view),
})

/** Notes that slices were wrong, for as long as the log of this OID stands: nobody believes it any more. Unless others have written the table itself. */
export const noteWrong = (log: number): Statement => ({
  kind: 'command',
  phase: 'counting',
  sql: `insert into viewkeeper.switches as s (key, value)
select '${wrongSlices}', jsonb_build_object(r.definition_id, jsonb_build_object('log', ${log}, 'run', r.id) || it)
  from viewkeeper.runs r cross join (select nullif(current_setting('${found}', true), '')::jsonb) found(it)
 where r.id = current_setting('viewkeeper.run')::bigint and r.definition_id is not null and (it ->> 'wrong')::int8 > 0 and (it ->> 'others')::int8 > 0 is not true
    on conflict (key) do update set value = s.value || excluded.value, updated_at = clock_timestamp()`,
  hidden: true,
})
