import { endsNow, hasStatus, type Transition } from './transition.ts'

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
