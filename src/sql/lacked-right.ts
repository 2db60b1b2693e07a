import { literal } from './names.ts'

/** An expression: what may be behind a right that is missing to somebody who has it; '' if there is no such event trigger. */
const eventTriggers = `coalesce((
  select format(' Event trigger %s is executed for each object that is made: if it gives tables or views to another role, let it leave out schema viewkeeper, and names that begin with viewkeeper_.',
                string_agg(quote_ident(evtname), ', ' order by evtname))
    from pg_event_trigger where evtevent = 'ddl_command_end' and evtenabled in ('O', 'A')
     and (evttags is null or evttags && array['CREATE TABLE', 'CREATE MATERIALIZED VIEW'])
  having count(*) > 0), '')`

/** An expression: the owner of the table that a foreign key refers to, as whom the server checks the key; null elsewhere. */
const keyChecker = (context: string): string =>
  `(select relowner::regrole::text from pg_class where oid = to_regclass(substring(${literal(context)} from
      'SELECT 1 FROM ONLY ("(?:[^"]|"")+"[.]"(?:[^"]|"")+") x WHERE ')))`

/**
 * An expression: who lacks a right, and where its SQL is. The server's message names only the object. `role` is written as in
 * SQL; null: the login. `context`: of the error.
 */
export const lackedBy = (role: string | null, context = ''): string => {
  const said = role === null ? 'quote_ident(session_user)' : literal(role)
  return `format('Role %s lacks this right. \`npx viewkeeper doctor\` lists what a role lacks on views, with the SQL, and \`npx viewkeeper create-role\` gives a login all that it needs.', ${context.includes('SELECT 1') ? `coalesce(${keyChecker(context)}, ${said})` : said}) || ${eventTriggers}`
}
