import { envelope } from './text.ts'

/**
 * The same as a procedure of one session, for a connection that sends the envelopes of several runs: the server reads and
 * plans the text once, which is most of what an envelope costs. Code of a view may neither replace nor call the procedure,
 * because both belong to our login. Names in its text mean the catalog's objects: a cached plan is made anew under another path.
 */
export const sessionEnvelope = {
  make:
    `${envelope.replace(/^do/, 'create procedure pg_temp.viewkeeper_envelope() language plpgsql as')}; ` +
    'revoke all on procedure pg_temp.viewkeeper_envelope() from public',
  call: 'call pg_temp.viewkeeper_envelope()',
  /** Code of a view may make another one of the same name: then the call means neither. */
  count: `select count(*)::integer as envelopes from pg_catalog.pg_proc
           where proname = 'viewkeeper_envelope' and pronamespace = pg_catalog.pg_my_temp_schema()`,
}
