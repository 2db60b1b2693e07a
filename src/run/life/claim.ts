import { isWaiting } from '../plan/turn.ts'
import type { EnvelopeVariant } from './ours.ts'
import { endsNow, hasStatus, isOpenBatch, type Transition } from './transition.ts'

/** A server process begins to work on a run, and on the runs of the other members of its group. */
export const claim: Transition = {
  from: ['pending', 'built'],
  to: ['running'],
  proof:
    'the server process holds the lock of the run, its role wrote the plan, no other run of the view is running, and it is the turn of the run',
}

/** Whether run `r` is in no batch; or the batch is open, and the view waits for none that it reads. */
const itsTurnInBatch = `(r.batch_id is null or exists (
           select from viewkeeper.batches b join viewkeeper.batch_views v on v.batch_id = b.id
            where b.id = r.batch_id and v.definition_id = r.definition_id
              and ${isOpenBatch} and b.cancel_requested_at is null and not ${isWaiting}))`

const claimed = (startedAt: string): string =>
  `status = 'running', started_at = coalesce(r.started_at, ${startedAt}), updated_at = clock_timestamp(),
             backend_pid = pg_backend_pid(), backend_start = me_since`

/** Whether a run has no variant at all. */
const isAlone = `r.batch_id is null and r.group_run_id is null and not r.plan ?| array['members', 'builds']`

/** For the envelope: claims run `run`. Claims only plans that this role wrote: they run with this role's rights. */
export const claimRun = (
  variant: EnvelopeVariant,
): string => `update viewkeeper.runs r set ${claimed('clock_timestamp()')}
       where r.id = run and ${hasStatus(claim.from)} and (r.claim_by is null or r.claim_by > clock_timestamp())
         and r.plan is not null and r.planned_by = current_user and (r.not_before is null or r.not_before <= clock_timestamp())
         and ${variant === 'short' ? isAlone : itsTurnInBatch}
      returning r.plan, r.started_at, format('%I.%I', r.schema_name, r.view_name) into work, started, the_view`

/** For the envelope: claims the runs of the other members, whose locks are held as well. */
export const claimMembers = `update viewkeeper.runs r set ${claimed('started')}
         where r.group_run_id = run and r.id = any (members) and ${hasStatus(claim.from)}`

/** A run ends because another run of its view is running. */
export const alreadyRunning: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'another run of the view, or of a member of the group, is running, and the plan says to skip',
}

/** For the envelope: ends run `run` and the runs that follow it; `other` is the run that is running. */
export const endAlreadyRunning = `update viewkeeper.runs r set status = 'skipped', ${endsNow}, duration_ms = 0,
               error = jsonb_build_object('class', 'AlreadyRunning', 'runningRunId', other, 'message',
                 (select format('Run %s of %I.%I is still running.', other, o.schema_name, o.view_name) from viewkeeper.runs o where o.id = other))
          from viewkeeper.runs leader
         where leader.id = run and ${hasStatus(alreadyRunning.from, 'leader')} and leader.plan ->> 'ifRunning' = 'skip'
           and (r.id = run or r.group_run_id = run) and ${hasStatus(alreadyRunning.from)}`
