import { type EnvelopeVariant, isNamed } from '../life/ours.ts'
import { recordSuccess } from '../life/succeed.ts'
import { isRaised } from './failure.ts'
import { performLast, performStatement } from './perform.ts'

/** Whether `l` is a lock of another session on the run's view. */
const isOthersLock = `l.locktype = 'relation' and l.relation = to_regclass(the_view) and l.granted and l.pid <> pg_backend_pid()
           and l.database = (select oid from pg_database where datname = current_database())`

/** Does what needs no strong lock. */
const prepare = (variant: EnvelopeVariant) => `seen := '{}';
      fill_ms := null;
      for setting_name, setting_value in select * from jsonb_each_text(work -> 'settings') loop
        perform set_config(setting_name, setting_value, true);
      end loop;
      perform set_config('lock_timeout', work #>> '{cutOver,giveUpAfterMs}', true);
      for statement in select * from jsonb_array_elements(work -> 'prepare') loop
        ${performStatement(variant)}
      end loop;
      give_up_at := least(deadline, clock_timestamp() + make_interval(secs => (work #>> '{cutOver,giveUpAfterMs}')::float8 / 1000));`

/**
 * "create index concurrently" waits for this transaction, which waits for the lock of that index: the run gives way. If this
 * transaction has prepared nothing, nobody waits for it yet.
 */
const giveWay = `if not work ? 'builds' and (tries > 1 or jsonb_array_length(work -> 'prepare') > 1) then
          select format('Process %s works on %s and waits for this run to end, as "create index concurrently" does: the run gave way. Try again when the process is done.', l.pid, the_view)
            into in_the_way from pg_locks l
           where ${isOthersLock} and l.mode <> 'AccessShareLock' and pg_backend_pid() = any (pg_blocking_pids(l.pid))
           limit 1;
          if found then
            failure := 'LockTimeout';
            raise exception using message = in_the_way;
          end if;
        end if;`

/**
 * The server ends an autovacuum once somebody has waited deadlock_timeout for its lock. An equally long wait for anybody else
 * may be half of a deadlock: the server ends the other half, perhaps an index build.
 */
const limitWait = `perform set_config('lock_timeout',
            case when (work #>> '{cutOver,lockTimeoutMs}' is null or tries % 10 = 0)
                  and exists (select from pg_locks l join pg_stat_get_activity(l.pid) a on true
                               where ${isOthersLock} and a.usesysid is null) then longer
                 else coalesce(work #>> '{cutOver,lockTimeoutMs}', shorter) end, true);`

/**
 * The statements of the cut-over and the record of success, all together or not at all. The patience grows with the tries, so
 * that readers wait little, and the work gets through where many relations are read without pause.
 */
const cutOver = (variant: EnvelopeVariant) => `locked_since := null;
          patience := least(tries * interval '100 ms', most_patience);
          ${limitWait}
          if work #>> '{cutOver,recordLockTimeoutMs}' is null then
            perform from viewkeeper.runs r where ${isNamed(variant)} for no key update;
          end if;
          if work ->> 'written' is not null then
            execute work ->> 'written' into written_before;
          end if;
          for statement in select * from jsonb_array_elements(work #> '{cutOver,statements}') loop
            ${performStatement(variant)}
          end loop;
          statement := '{}';
          if work ->> 'written' is not null then
            execute work ->> 'written' into written_after;
            rows_after := written_after - written_before;
          end if;

          perform set_config('lock_timeout', coalesce(work #>> '{cutOver,recordLockTimeoutMs}', '0'), true);
          finished := clock_timestamp();
          ${recordSuccess(variant)};
          get diagnostics counted = row_count;
          if counted <= cardinality(members) then
            -- Somebody closed this run as lost: the record says failed, so the work must not stay.
            raise exception 'viewkeeper run % was closed by somebody else; its work is undone', run;
          end if;
          ${performLast}
          succeeded := true;`

/**
 * The work, until the cut-over has succeeded. A cut-over that does not get its locks is tried again and again: the failed block
 * has released its locks, so readers that waited are served meanwhile.
 */
export const workPhase = (variant: EnvelopeVariant) => `${prepare(variant)}
      loop
        tries := tries + 1;
        ${giveWay}
        begin
          ${cutOver(variant)}
          exit;
        -- internal_error: somebody else changed a catalog row that our statement changes ("tuple concurrently updated"). Tried
        -- again a few times only, because the view's own code may raise this error too.
        exception when lock_not_available or deadlock_detected or internal_error then
          get stacked diagnostics st = returned_sqlstate, ctx = pg_exception_context;
          if left(st, 2) = 'XX' then
            conflicts := conflicts + 1;
          end if;
          execute work #>> '{cutOver,holders}' into holders;
          nap := least(2.0, 0.05 * 2 ^ least(tries, 6)) * (0.5 + random());
          if clock_timestamp() + make_interval(secs => nap) > give_up_at or conflicts > 3 and statement ? 'computesRows' or failure is null and ${isRaised} then
            raise;
          end if;
          failure := null; -- a check found what may pass
        end;
        perform set_config('application_name', format('viewkeeper run %s locking', run), false);
        perform pg_sleep(nap);
      end loop;`
