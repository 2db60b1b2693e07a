import { isOurs } from './ours.ts'
import { hasStatus, type Transition } from './transition.ts'

/** The runs of the other members of a group end, because the view has to be refreshed without them. */
export const leavingOut: Transition = {
  from: ['running'],
  to: ['skipped'],
  proof: 'the server process that claimed the run goes on with a plan for one view',
}

/** For the envelope: ends our runs except run `run`. */
export const leaveOthersOut = `update viewkeeper.runs r set status = 'skipped', finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
                 meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('it was not refreshed together with %s, because that was impossible (run %s)', the_view, run)))
           where r.id <> run and ${isOurs('others')} and ${hasStatus(leavingOut.from)}`
