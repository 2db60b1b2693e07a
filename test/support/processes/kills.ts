import { expect } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'

const kill = 'pg_terminate_backend(pg_backend_pid()), pg_sleep(60)'

/**
 * Does work again and again. Meanwhile the session of the first attempt of a view ends itself: before each statement of its plan in turn,
 * and at -1 once it has recorded its success, before the commit. What comes `afterwards` each time is spared.
 */
export async function whileKilledAtEach(
  sql: Sql,
  [schema, view]: [schema: string, view: string],
  work: (at: number) => Promise<unknown>,
  afterwards = async () => {},
): Promise<void> {
  await sql.unsafe(`
    create table public.kills (at int, statements int); insert into public.kills values (null, 0);
    create function public.kills() returns trigger language plpgsql as $$
    declare kills public.kills := (select k from public.kills k);
    begin
      if kills.at = -1 and new.status = 'success' then
        perform ${kill};
      elsif kills.at >= 0 and new.status = 'pending' and new.plan ? 'locked' then
        update public.kills set statements = jsonb_array_length(new.plan #> '{locked,statements}');
        new.plan := jsonb_insert(new.plan, array['locked', 'statements', kills.at::text],
          '{"kind": "command", "phase": "building", "sql": "select ${kill}"}');
      end if;
      return new;
    end $$;
    create trigger kills before insert or update of plan on viewkeeper.runs for each row
      when ((new.schema_name, new.view_name, new.attempt) = ('${schema}', '${view}', 1)) execute function public.kills()`)
  try {
    let statements = 0
    for (let at = -1; at <= statements; at++) {
      await sql`update public.kills set at = ${at}`
      await work(at)
      statements = (await sql`update public.kills set at = null returning statements`)[0]!.statements
      await afterwards()
    }
    expect(statements).toBeGreaterThan(5)
  } finally {
    await sql.unsafe('drop function public.kills() cascade; drop table public.kills')
  }
}
