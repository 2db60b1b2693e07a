import { authoredGrants, grantorsOf } from '../../catalog/plan/differences.ts'
import { grantStatement } from '../../catalog/plan/grants.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import { operatorsPath } from '../../sql/settings.ts'
import { displayName } from '../../words/names.ts'
import { buildShadow } from './shadow.ts'

/** A plain view of the database as own SQL. */
export interface DescribedPlainView {
  schema: string
  name: string
  /** The role that owns the view. */
  role: string
  /** Whether code of that role may run as the login: own SQL is not sealed. */
  trusted: boolean
  /** The text of an up file. It makes the view, with its comments, options and grants, in a database that lacks the view. */
  ownSql: string
  /** What the text leaves out, in words. */
  leftOut: string[]
}

/** Describes a plain view as own SQL that gives it to `owner`; null: to the role that owns what own SQL makes. Pure. */
export function plainViewOf(live: LiveView, owner: string | null, trusted: boolean): DescribedPlainView {
  const { view, triggers, rules } = live
  const needsPath = operatorsPath(view.path) !== ''
  const onPath = (path: string) =>
    needsPath ? [`perform pg_catalog.set_config('search_path', ${path}, true)`] : []
  const [create, ...attributes] = buildShadow(live, { view }).map(({ sql }) => sql) as [string, ...string[]]
  const statements = [
    ...(owner === null ? [] : [`set local role ${quoteIdentifier(owner)}`]),
    ...onPath(literal(view.path)),
    create,
    ...onPath('path'),
    ...attributes,
    ...authoredGrants(live).map((grant) => grantStatement(grant, quoteName(view))),
  ].map((sql) => `    ${sql};\n`)
  const body = `${needsPath ? "declare path constant text := pg_catalog.current_setting('search_path');\n" : ''}begin
  if pg_catalog.to_regclass(${literal(quoteName(view))}) is null then
${statements.join('')}  end if;
end`
  const tag = freeTag(body)
  return {
    schema: view.schema,
    name: view.name,
    role: view.owner,
    trusted,
    ownSql: `-- Plain view ${displayName(view)}: made only if it is missing.\ndo ${tag}\n${body}\n${tag};\n`,
    leftOut: [
      ...grantorsOf(live),
      ...(triggers.length > 0 ? ['triggers'] : []),
      ...(rules.length > 0 ? ['rules'] : []),
    ],
  }
}

/** A dollar quote that the text does not hold. */
function freeTag(text: string): string {
  let at = 0
  while (text.includes(`$view${at === 0 ? '' : at}$`)) at++
  return `$view${at === 0 ? '' : at}$`
}
