import { type Checks, checksOf, referred } from '../catalog/plan/checks.ts'
import {
  type Definition,
  definitionDefaults,
  type GrantDefinition,
  outsideClock,
} from '../catalog/plan/definition.ts'
import { lagOfLooks } from '../due/plan/lags.ts'
import { longestLogged, tooLongForLog } from '../slices/plan/log.ts'
import { liveViewOf, logName, queryViewOf } from '../sql/names.ts'
import { settingTexts } from '../sql/settings.ts'
import { displayName, displayPart, parseName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { AuthoredView } from './define-view.ts'
import { indexesOf, type SoundIndex } from './indexes.ts'
import type { QueryInput } from './inputs.ts'
import { readQuery, readsOf } from './sql/read.ts'
import { type FilePlace, type ViewProblem, ViewReport } from './view-report.ts'
import { type GrantFields, grantSchema, type ViewFields, viewSchema } from './view-schema.ts'

/** A sound definition, and where it is written. */
export interface Located extends FilePlace {
  definition: Definition
  /** Whether the view gets a unique index that a concurrent refresh can use. */
  hasKey: boolean
}

/** The definitions of the views without problems, and all problems of the others. */
export async function checkViews(
  views: readonly AuthoredView[],
): Promise<{ definitions: Located[]; problems: ViewProblem[] }> {
  const checked = await Promise.all(views.map(checkView))
  reportDuplicates(checked)
  return {
    definitions: checked.flatMap(({ report, definition, indexes }) =>
      report.problems.length > 0
        ? []
        : [{ definition, hasKey: indexes.some(({ usable }) => usable), ...report.places.view }],
    ),
    problems: checked.flatMap(({ report }) => report.problems),
  }
}

async function checkView(view: AuthoredView) {
  const report = new ViewReport(view)
  const fields = soundFields(view, report)
  // If the name is not sound, the other fields are checked anyway.
  const { schema = 'public', name = 'view', query } = fields
  checkName(view, report)
  checkSchedule(view, report)
  checkDependencies(fields, report)
  const sql = query === undefined ? '' : await sqlOf(query, report)
  const indexes = await indexesOf(name, fields, report)
  checkConcurrent(fields, indexes, report)
  checkSlices(fields, report)
  checkLive(fields, report)
  checkStorage(fields, report)
  const checks = await checksFrom(fields, report)
  if (checks.differs !== undefined && ['regular', 'concurrent'].includes(fields.strategy ?? ''))
    report.add(['strategy'], 'must be "swap" or "auto", because check "differs" compares a shadow')
  const parts = {
    sql,
    indexes: indexes.map(({ definition }) => definition),
    grants: grantsOf(fields, report),
    checks,
    settings: settingsOf(displayName({ schema, name }), fields, report),
  }
  // Whether schema and name are sound.
  const named = !report.refuses('schema') && !report.refuses('name')
  return { report, named, indexes, definition: toDefinition({ ...fields, schema, name, query: '' }, parts) }
}

/** The fields without problems, each checked by itself. */
function soundFields(view: AuthoredView, report: ViewReport): Partial<ViewFields> {
  report.read(viewSchema, view.input, [])
  const sound = Object.entries(Object(view.input)).filter(
    ([field, value]) => field in viewSchema.shape && value !== undefined && !report.refuses(field),
  )
  return viewSchema.partial().parse(Object.fromEntries(sound))
}

/** Everywhere else, a dot stands between schema and name: a name that has one says its schema, too. */
function checkName({ input }: AuthoredView, report: ViewReport): void {
  const { schema, name } = Object(input) as AuthoredView['input']
  if (typeof name !== 'string' || schema !== undefined || !name.includes('.') || report.refuses('name'))
    return
  const [, before, after] = /^([^.]+)\.([^.]+)$/.exec(name) ?? []
  const meant = before === undefined ? '' : `: did you mean schema "${before}", name "${after}"?`
  report.add(
    ['name'],
    `has a dot, and no schema stands beside it${meant || '.'} If the dot belongs to the name, write schema: "public", too`,
  )
}

function checkSchedule({ input }: AuthoredView, report: ViewReport): void {
  const {
    schedule,
    timeZone,
    targetLagSeconds,
    maxStalenessSeconds,
    onChange,
    skipUnchanged,
    storage,
    slices,
  } = Object(input) as AuthoredView['input']
  const hasLog = storage === 'table' && slices !== undefined
  const isOutside = schedule === outsideClock
  const isTimed = schedule !== undefined && !isOutside
  const refuse = (isWrong: boolean, field: string, message: string) => {
    if (isWrong) report.add([field], message)
  }
  refuse(
    isOutside && timeZone !== undefined,
    'timeZone',
    'cannot go with schedule "none", which has no times; leave timeZone out',
  )
  refuse(
    onChange === true && (targetLagSeconds === undefined || isOutside),
    'onChange',
    'needs a targetLagSeconds beside it, and no schedule: how old the data may be when something has changed',
  )
  refuse(
    onChange === true && skipUnchanged === false,
    'skipUnchanged',
    'cannot be false with onChange, which leaves unchanged views out; leave it out',
  )
  refuse(isTimed && timeZone === undefined, 'schedule', 'needs a timeZone beside it: "Europe/Berlin", "UTC"')
  refuse(
    schedule === undefined && timeZone !== undefined,
    'timeZone',
    'needs a schedule beside it: "0 6 * * *"; or leave timeZone out',
  )
  if (targetLagSeconds === undefined || report.refuses('targetLagSeconds')) return
  refuse(
    targetLagSeconds < shortestWithoutLog && !hasLog,
    'targetLagSeconds',
    `must be at least ${shortestWithoutLog}: a shorter lag needs a change log, of an incremental table. Write storage: 'table' and slices: { by: '…' }, too`,
  )
  refuse(
    isTimed,
    'targetLagSeconds',
    'cannot go with schedule: either a schedule or the target lag says when the view is refreshed; leave one of them out',
  )
  refuse(
    maxStalenessSeconds !== undefined && maxStalenessSeconds < targetLagSeconds,
    'maxStalenessSeconds',
    'must be at least targetLagSeconds: a view as old as that is as fresh as was asked for',
  )
  refuse(
    hasLog && maxStalenessSeconds !== undefined && maxStalenessSeconds < lagOfLooks,
    'maxStalenessSeconds',
    `must be at least ${lagOfLooks}: while nothing changes, the age is renewed each minute`,
  )
}

/** The shortest target lag of a view that has no change log. */
const shortestWithoutLog = 60

function checkDependencies(
  { schema = 'public', name, dependsOn = [] }: Partial<ViewFields>,
  report: ViewReport,
): void {
  for (const [at, text] of dependsOn.entries()) {
    const path = ['dependsOn', at]
    const named = orProblem(() => parseName(text))
    if (named instanceof Problem)
      report.add(path, 'must be the name of a view as SQL reads it, with its schema: "public.sales"')
    else if (named.schema === null) report.add(path, `must say the schema, too: "public.${text}"`)
    else if (named.schema === schema && named.name === name)
      report.add(path, 'is the view itself: leave it out')
  }
}

/** What `work` returns, or the Problem that it throws. */
function orProblem<T>(work: () => T): T | Problem {
  try {
    return work()
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

function checkConcurrent({ strategy }: Partial<ViewFields>, indexes: SoundIndex[], report: ViewReport): void {
  if (strategy !== 'concurrent' || report.refuses('uniqueKey') || report.refuses('indexes')) return
  if (indexes.some(({ usable }) => usable)) return
  report.add(
    ['strategy'],
    '"concurrent" needs a unique index on plain columns, without a condition: write uniqueKey: [\'…\'], or strategy "auto"',
  )
}

/** What only an incremental table has, and whose other names fit beside its own: `_query`, and those of triggers. */
function checkSlices(
  { slices, storage, schema = definitionDefaults.schema, name }: Partial<ViewFields>,
  report: ViewReport,
): void {
  if (slices === undefined) return
  if (storage !== 'table')
    report.add(
      ['slices'],
      `needs an incremental table, of which single rows can be written: write storage: 'table', too`,
    )
  if (['whole', 'at'].includes(slices.by))
    report.add(
      ['slices', 'by'],
      `cannot be "${slices.by}", which the change log calls a column of its own: rename it in the query`,
    )
  if (name !== undefined && Buffer.byteLength(logName({ schema, name })) > longestLogged)
    report.add(['name'], `is too long for slices: ${tooLongForLog}`)
}

/** A live view reads the change log of an incremental table, with the rights of its owner, for whom may read the whole table. */
function checkLive({ live, slices, grants = [] }: Partial<ViewFields>, report: ViewReport): void {
  if (live === undefined) return
  if (slices === undefined)
    report.add(
      ['live'],
      "needs a change log, which tells what a read has to compute: write storage: 'table' and slices: { by: '…' }, too",
    )
  for (const [at, grant] of grants.entries())
    if ((grant as Partial<GrantFields>).columns !== undefined)
      report.add(
        ['grants', at, 'columns'],
        'cannot go with live, whose readers see all columns: leave one out',
      )
}

/** What an incremental table cannot have: a refresh is the only one that writes it, in the only way. */
function checkStorage(
  { storage, strategy, checks, name, grants = [] }: Partial<ViewFields>,
  report: ViewReport,
): void {
  if (storage !== 'table') return
  if (strategy !== undefined && strategy !== 'auto')
    report.add(
      ['strategy'],
      'must be left out: a refresh of a table writes the rows that differ, whatever the strategy',
    )
  if (checks?.differs !== undefined)
    report.add(['checks', 'differs'], 'compares a view that is made anew, and a table is not: leave it out')
  if (name !== undefined && Buffer.byteLength(name) > longestKept)
    report.add(
      ['name'],
      `is too long for a table: at most ${longestKept} bytes, because its query is called after it`,
    )
  for (const [at, grant] of grants.entries()) {
    const writes =
      (grant as Partial<GrantFields>).privileges?.filter((each) => writing.has(String(each).toLowerCase())) ??
      []
    if (writes.length > 0)
      report.add(
        ['grants', at, 'privileges'],
        `must not have ${writes.join(', ')}: only refreshes write a table`,
      )
  }
}

const longestKept = 57
const writing = new Set(['insert', 'update', 'delete', 'truncate', 'trigger', 'all'])

const columnPrivileges = ['select', 'insert', 'update', 'references', 'all']

function grantsOf({ grants = [] }: Partial<ViewFields>, report: ViewReport): GrantDefinition[] {
  return grants.flatMap((each, at) => {
    const path = ['grants', at]
    const grant = report.read(grantSchema, each, path)
    if (grant === null) return []
    const whole = grant.privileges.filter((privilege) => !columnPrivileges.includes(privilege))
    if (grant.columns !== undefined && whole.length > 0) {
      report.add(
        [...path, 'columns'],
        `cannot go with ${whole.join(', ')}, which can be granted on whole views only`,
      )
    }
    if (grant.to === 'public' && grant.grantOption === true) {
      report.add([...path, 'grantOption'], 'cannot be given to "public", only to a role')
    }
    return [toGrant(grant)]
  })
}

function settingsOf(
  view: string,
  { settings = {} }: Partial<ViewFields>,
  report: ViewReport,
): Record<string, string> {
  const read = Object.entries(settings).flatMap(([name, value]) => {
    const texts = orProblem(() => settingTexts(view, { [name]: value }))
    if (!(texts instanceof Problem)) return Object.entries(texts)
    report.add(['settings', name], texts.message)
    return []
  })
  return Object.fromEntries(read)
}

/** The whole definition, from fields that are sound. */
function toDefinition(
  fields: ViewFields,
  parts: Pick<Definition, 'sql' | 'indexes' | 'grants' | 'settings' | 'checks'>,
): Definition {
  const { query: _, uniqueKey: __, dependsOn, onChange, live, slices = null, ...own } = fields
  const { targetLagSeconds: lag, maxStalenessSeconds = lag && (slices ? Math.max(lag, lagOfLooks) : lag) } =
    own
  // An owner of the clock outside Viewkeeper also says what a refresh of everything means.
  const inAll = own.inAll ?? own.schedule !== outsideClock
  const skipUnchanged = onChange === true ? true : (own.skipUnchanged ?? null)
  return {
    ...definitionDefaults,
    ...own,
    inAll,
    skipUnchanged,
    maxStalenessSeconds: maxStalenessSeconds ?? null,
    slices: slices && (live ? { ...slices, live: live === true ? 'query' : live.otherwise } : slices),
    ...parts,
    dependsOn: [...new Set(dependsOn)],
  }
}

/** A grant with each privilege once. `all` replaces the others, because SQL accepts `all` only alone. */
function toGrant({ privileges, ...grant }: GrantFields): GrantDefinition {
  return { ...grant, privileges: privileges.includes('all') ? ['all'] : [...new Set(privileges)] }
}

type ValidatedView = Awaited<ReturnType<typeof checkView>>

/** Reports views that are defined twice, and indexes whose name is taken in their schema. */
function reportDuplicates(views: readonly ValidatedView[]): void {
  const taken = new Map<string, { what: string; place: FilePlace }>()
  const take = (schema: string, name: string, what: string, place: FilePlace): string | null => {
    const key = JSON.stringify([schema, name])
    const first = taken.get(key)
    if (first === undefined) taken.set(key, { what, place })
    return first === undefined ? null : `${first.what} (${first.place.file}:${first.place.line})`
  }

  const single = views.filter(({ named, definition: { schema, name }, report }) => {
    if (!named) return false
    const first = take(schema, name, 'the view', report.places.view)
    if (first !== null) report.add(['name'], `is taken by ${first}: give one of them another name`)
    return first === null
  })
  for (const { definition, report } of single) {
    if (definition.storage !== 'table') continue
    const beside = [
      { field: 'storage', view: queryViewOf(definition) },
      ...(definition.slices?.live ? [{ field: 'live', view: liveViewOf(definition) }] : []),
    ]
    for (const {
      field,
      view: { schema, name },
    } of beside) {
      const first = take(schema, name, `the plain view of ${displayName(definition)}`, report.places.view)
      if (first !== null)
        report.add(
          [field],
          `needs a plain view "${name}", and that name is taken by ${first}: give one of them another name`,
        )
    }
  }
  for (const { definition, indexes, report } of single) {
    for (const { definition: index, path } of indexes) {
      const what = `an index of ${displayName(definition)}`
      const first = take(definition.schema, index.name, what, report.places.view)
      if (first !== null) {
        report.add(path, `the index's name "${index.name}" is taken by ${first}: give it another name`)
      }
    }
  }
}

/** The SQL of a view's query, in the form that definitions hold. Problems are reported. */
async function sqlOf(query: QueryInput, report: ViewReport): Promise<string> {
  const text = textOf(query, report)
  if (text === null) return ''
  const { sql, faults } = await readQuery(text)
  for (const { message, line } of faults) report.add(['query'], message, report.places.query(text, line))
  return sql
}

/** The text of a query; null, and a problem, if a query builder gives none. Bound values are never shown. */
function textOf(query: QueryInput, report: ViewReport): string | null {
  if (typeof query === 'string') return query
  try {
    const { sql, values, write } = compile(query)
    if (values === 0) return sql
    report.add(
      ['query'],
      `binds ${values === 1 ? 'a value' : `${values} values`}, and a view has no parameters: write ${write}`,
    )
  } catch (error) {
    report.add(['query'], `cannot be compiled: ${(error as Error).message}`)
  }
  return null
}

function compile(query: Exclude<QueryInput, string>): { sql: string; values: number; write: string } {
  if ('compile' in query) {
    const { sql, parameters } = query.compile()
    return { sql, values: parameters.length, write: 'each with sql.lit(…)' }
  }
  const { sql, params } = query.toSQL()
  return {
    sql,
    values: params.length,
    write: 'each with sql.raw(…) or sql`…`.inlineParams(), or the query as a text',
  }
}

/** The checks of a view, in the form that definitions hold. Problems are reported. */
async function checksFrom(
  { schema = 'public', name = 'view', checks = {} }: Partial<ViewFields>,
  report: ViewReport,
): Promise<Checks> {
  const written: Record<string, unknown> = { ...checks }
  for (const [check, query] of Object.entries(checks)) {
    if (typeof query === 'string')
      written[check] = await queryOf(query, { schema, name }, (message) =>
        report.add(['checks', check], message),
      )
  }
  for (const [column, text] of Object.entries(checks.references ?? {})) {
    if (!isReference(text))
      report.add(
        ['checks', 'references', column],
        'must name a table with its schema and a column: "app.shops (id)"',
      )
  }
  if (report.refuses('checks')) return {}
  const read = written as Checks
  checkNames(name, read, report)
  return read
}

/** The SQL of a check. A check runs where no names are known but the catalog's and that of the view. */
async function queryOf(
  text: string,
  view: { schema: string; name: string },
  refuse: (message: string) => void,
): Promise<string> {
  const { sql, faults } = await readQuery(text)
  for (const { message } of faults) refuse(message)
  if (faults.length > 0) return sql
  const reads = await readsOf(sql)
  const bare = reads.find(({ schema, name }) => schema === null && name !== view.name)
  if (reads.some(({ schema, name }) => schema === view.schema && name === view.name))
    refuse(
      `must name the view without its schema, ${JSON.stringify(view.name)}: that name means the new data`,
    )
  else if (bare !== undefined)
    refuse(
      `must name ${JSON.stringify(bare.name)} with its schema: only the view itself is known without one`,
    )
  else if (!reads.some(({ schema }) => schema === null))
    refuse(`does not read the view: write from ${displayPart(view.name)}`)
  return sql
}

/** Refuses two checks of one name, and a severity of a check that is not there. */
function checkNames(view: string, checks: Checks, report: ViewReport): void {
  const all = checksOf(view, checks)
  const names = new Set<string>()
  for (const { name, field } of all) {
    if (names.has(name))
      report.add(['checks', field], `has check ${JSON.stringify(name)} twice: leave one of them out`)
    names.add(name)
  }
  for (const name of Object.keys(checks.severity ?? {})) {
    if (!all.some((check) => check.name === name || check.field === name))
      report.add(
        ['checks', 'severity', name],
        `is not a check of the view: the checks are ${[...names].join(', ')}`,
      )
  }
}

const isReference = (text: string): boolean =>
  text.includes('.') && !(orProblem(() => referred(text)) instanceof Problem)
