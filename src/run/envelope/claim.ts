import { runLockClass } from '../../server/lock-keys.ts'
import { claimMembers, claimRun, endAlreadyRunning } from '../life/claim.ts'
import type { EnvelopeVariant } from '../life/ours.ts'

/** Ends the claim of a run whose basis does not hold any more. Caught in the same block that raises it. */
const basisGone = 'VK001'

/** Reads the clocks and limits of the session. */
export const identifyBackend = `me_since := (select backend_start from pg_stat_get_activity(pg_backend_pid()));
  statement_limit := current_setting('statement_timeout')::interval;
  -- The rest is for recording the failure: a time-out that meets the recording would lose the run's own error.
  deadline := statement_timestamp() + coalesce(nullif(statement_limit, '0') - least(statement_limit / 5, '1s'), '7 days');
  longer := round(extract(epoch from current_setting('deadlock_timeout')::interval) * 1500)::text;
  shorter := round(extract(epoch from current_setting('deadlock_timeout')::interval) * 800)::text;
  -- The server looks for a deadlock once a reader has waited for deadlock_timeout: long before that, a try is over.
  most_patience := least(current_setting('deadlock_timeout')::interval / 2, '500 ms');
  -- Off until here, so that the server does not parse all of this text: see run-connection.ts.
  perform set_config('check_function_bodies', 'on', false);
  -- Since 17 this could end the session halfway. Older servers refuse it as a start-up setting.
  if current_setting('server_version_num')::integer >= 170000 then
    perform set_config('transaction_timeout', '0', false);
  end if;`

const takeLock = `if not pg_try_advisory_lock(${runLockClass}, run) then
    return;
  end if;`

/** A run of a batch is claimed only while fewer runs than the batch's concurrency are running. */
const takeSlot = `select r.batch_id into batch from viewkeeper.runs r where r.id = run and r.status = 'pending';
  -- A run that exchanges built shadows fills nothing, so it needs no slot.
  if batch is not null then
    -- The batch's row is locked until the commit, so claims count one by one. Without a slot, the advancer sends the run again.
    select b.concurrency into slots from viewkeeper.batches b where b.id = batch for no key update;
    if slots <= (select count(*) from viewkeeper.runs r where r.batch_id = batch and r.status = 'running' and r.group_run_id is null) then
      commit;
      perform pg_advisory_unlock(${runLockClass}, run);
      return;
    end if;
  end if;`

/** The proof of life of the runs of a group's other members. */
const takeLocksOfMembers = `for member in select r.id from viewkeeper.runs r where r.group_run_id = run and r.status in ('pending', 'built') order by r.id loop
    if pg_try_advisory_lock(${runLockClass}, member::integer) then
      members := members || member;
    end if;
  end loop;`

const claimAllMembers = `if claimed and work ? 'members' then
        ${claimMembers};
        get diagnostics counted = row_count;
        if counted <> jsonb_array_length(work -> 'members') then
          raise exception using errcode = '${basisGone}';
        end if;
        counted := null;
      end if;`

/** A block of its own: an uncaught unique violation would leave the row pending and the lock held. */
const claimOnce = (variant: EnvelopeVariant) => `begin
      ${claimRun(variant)};
      claimed := found;
      ${variant === 'short' ? '' : claimAllMembers}
      if claimed and work ->> 'basis' is not null then
        perform set_config('lock_timeout', '2s', true);
        execute work #>> '{basis,sql}' into answer;
        if answer is distinct from work #>> '{basis,is}' then
          raise exception using errcode = '${basisGone}';
        end if;
      end if;
      exit;
    -- The error undoes the claim: the run is pending again, and its sender sees that nobody works on the run.
    exception when sqlstate '${basisGone}' or lock_not_available or internal_error then
      claimed := false; -- internal_error: a relation was dropped while the server wrote its SQL
      exit;
    when unique_violation then
      claimed := false; -- perhaps only a member of the group was not claimed
      select o.id into other from viewkeeper.runs o, viewkeeper.runs r
       where (r.id = run or r.group_run_id = run) and r.status in ('pending', 'built')
         and o.schema_name = r.schema_name and o.view_name = r.view_name and o.status = 'running'
       order by o.id limit 1;
      if found then -- else that run has just ended: claim again
        ${endAlreadyRunning};
        exit;
      end if;
    end;`

/** Claims the run, in a transaction of its own; ends the block if that is impossible. */
export const claimPhase = (variant: EnvelopeVariant) => `${takeLock}
  ${variant === 'short' ? '' : takeSlot}
  ${variant === 'short' ? '' : takeLocksOfMembers}
  while not claimed loop
    ${claimOnce(variant)}
  end loop;
  commit;
  if not claimed then
    perform pg_advisory_unlock(${runLockClass}, id::integer) from unnest(members || run::bigint) x(id);
    return;
  end if;
  -- Takes the locks for the transaction, too: the view's own code can release session locks only.
  perform pg_advisory_xact_lock(${runLockClass}, id::integer) from unnest(members || run::bigint) x(id);`
