import { hintsQueryInPlace } from '../../catalog/plan/obstacles.ts'
import { runChannel, runLockClass } from '../../server/lock-keys.ts'
import { literal } from '../../sql/names.ts'
import { rolePathSetting } from '../../sql/search-path.ts'
import type { EnvelopeVariant } from '../life/ours.ts'
import { claimPhase, identifyBackend } from './claim.ts'
import { failurePhase } from './failure.ts'
import { performLater } from './perform.ts'
import { workPhase } from './work.ts'

const declarations = `run constant integer := pg_catalog.current_setting('viewkeeper.run')::pg_catalog.int4;
  role_path constant text := pg_catalog.current_setting('${rolePathSetting}');
  home constant text := pg_catalog.current_setting('role');
  me_since timestamptz;
  batch text;
  slots integer;
  statement_limit interval;
  deadline timestamptz;
  longer text;
  shorter text;
  claimed boolean := false;
  succeeded boolean := false;
  work jsonb;
  response jsonb := '{}';
  the_view text;
  started timestamptz;
  finished timestamptz;
  give_up_at timestamptz;
  locked_since timestamptz;
  patience interval;
  most_patience interval;
  fill_ms float8;
  statement jsonb := '{}';
  command text;
  sandbox text;
  made regclass;
  acting text;
  setting_name text;
  setting_value text;
  answer text;
  hints_query constant text := ${literal(hintsQueryInPlace)};
  obstacles jsonb;
  unfound jsonb;
  failure text;
  in_the_way text;
  holders jsonb;
  counted bigint;
  tries integer := 0;
  conflicts integer := 0;
  nap float8;
  other bigint;
  member bigint;
  members bigint[] := '{}';
  began timestamptz;
  spent jsonb := '{}';
  seen jsonb := '{}';
  written_before bigint;
  written_after bigint;
  rows_before bigint;
  rows_after bigint;
  why text; st text; msg text; det text; hnt text; ctx text; con text; quotes_rows boolean; raised boolean; violated text;`

/** A notification that the runs have ended, in a commit of its own: a full queue fails the commit of its transaction. */
const tellWaiting = `perform pg_notify('${runChannel}', id::text) from unnest(members || run::bigint) x(id);
  commit;`

/** What comes after the success, and cannot undo it. */
const laterPhase = `if succeeded and jsonb_array_length(work -> 'later') > 0 then
    for statement in select * from jsonb_array_elements(work -> 'later') loop
      begin
        ${performLater}
      exception when query_canceled or assert_failure or others then
        null; -- the run has succeeded without this statement
      end;
      commit;
    end loop;
    update viewkeeper.runs r set row_count_after = rows_after, updated_at = clock_timestamp()
     where r.id = run and r.row_count_after is distinct from rows_after;
    commit;
  end if;`

const bodyFor = (variant: EnvelopeVariant) => `$viewkeeper$
declare
  ${declarations}
begin
  ${identifyBackend}
  ${claimPhase(variant)}

  -- Goes round a second time only with the other plan, if the plan is impossible and names one.
  loop
    begin
      ${workPhase(variant)}
      exit;
    -- 'others' does not include the first two.
    exception when query_canceled or assert_failure or others then
      ${failurePhase(variant)}
      exit;
    end;
  end loop;
  commit;
  ${tellWaiting}

  ${laterPhase}
  perform pg_advisory_unlock(${runLockClass}, id::integer) from unnest(members || run::bigint) x(id);
end
$viewkeeper$`

/**
 * The envelope: one `DO` block that claims a run, does its work and records how the run ended, all on the
 * server, so that nothing the client does afterwards can make the record wrong. The envelope must be the only
 * statement of its message (see `run-connection.ts`). The text is constant: the
 * run's id is the session setting `viewkeeper.run`, and the plan is in `viewkeeper.runs.plan`. User text
 * inside would sooner or later break out of the dollar quotes, and would make an entry in
 * `pg_stat_statements` for each run.
 *
 * The first commit makes the claim visible, while the session's lock, the proof of life, stays. The second commits work
 * and success together.
 *
 * There are two texts, because the server reads a text anew for each run.
 */
export const envelopes: Record<EnvelopeVariant, string> = {
  short: `do ${bodyFor('short')}`,
  full: `do ${bodyFor('full')}`,
}

/**
 * The same as a procedure of one session, for a connection that sends the envelopes of several runs: the server reads and
 * plans the text once, which is most of what an envelope costs. Code of a view may neither replace nor call the procedure,
 * because both belong to our login. Names in its text mean the catalog's objects: a cached plan is made anew under another path.
 */
export const sessionEnvelope = {
  make:
    `create procedure pg_temp.viewkeeper_envelope() language plpgsql as ${bodyFor('full')}; ` +
    'revoke all on procedure pg_temp.viewkeeper_envelope() from public',
  call: 'call pg_temp.viewkeeper_envelope()',
  /** Code of a view may make another one of the same name: then the call means neither. */
  count: `select count(*)::integer as envelopes from pg_catalog.pg_proc
           where proname = 'viewkeeper_envelope' and pronamespace = pg_catalog.pg_my_temp_schema()`,
}
