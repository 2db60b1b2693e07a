import { type Definition, type GrantDefinition, outsideClock } from '../catalog/plan/definition.ts'
import { Problem } from '../problem.ts'
import { displayName, parseName } from '../sql/names.ts'
import { settingTexts } from '../sql/settings.ts'
import { checksFrom } from './checks.ts'
import type { AuthoredView } from './define-view.ts'
import { reportDuplicates } from './duplicates.ts'
import { indexesOf, type SoundIndex } from './indexes.ts'
import { toDefinition, toGrant } from './normalize.ts'
import type { Place } from './places.ts'
import { sqlOf } from './query.ts'
import { type ViewProblem, ViewReport } from './view-report.ts'
import { grantSchema, type ViewFields, viewSchema } from './view-schema.ts'

/** A sound definition, and where it is written. */
export interface Located extends Place {
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
  const { schedule, timeZone, targetLagSeconds, maxStalenessSeconds, onChange, skipUnchanged } = Object(
    input,
  ) as AuthoredView['input']
  const isOutside = schedule === outsideClock
  if (isOutside && timeZone !== undefined) {
    report.add(['timeZone'], 'cannot go with schedule "none", which has no times; leave timeZone out')
  }
  if (onChange === true && (targetLagSeconds === undefined || isOutside)) {
    report.add(
      ['onChange'],
      'needs a targetLagSeconds beside it, and no schedule: how old the data may be when something has changed',
    )
  }
  if (onChange === true && skipUnchanged === false) {
    report.add(
      ['skipUnchanged'],
      'cannot be false with onChange, which leaves unchanged views out; leave it out',
    )
  }
  if (schedule !== undefined && !isOutside && timeZone === undefined) {
    report.add(['schedule'], 'needs a timeZone beside it: "Europe/Berlin", "UTC"')
  }
  if (schedule === undefined && timeZone !== undefined) {
    report.add(['timeZone'], 'needs a schedule beside it: "0 6 * * *"; or leave timeZone out')
  }
  if (targetLagSeconds === undefined) return
  if (schedule !== undefined && !isOutside) {
    report.add(
      ['targetLagSeconds'],
      'cannot go with schedule: either a schedule or the target lag says when the view is refreshed; leave one of them out',
    )
  }
  if (maxStalenessSeconds !== undefined && maxStalenessSeconds < targetLagSeconds) {
    report.add(
      ['maxStalenessSeconds'],
      'must be at least targetLagSeconds: a view as old as that is as fresh as was asked for',
    )
  }
}

function checkDependencies(
  { schema = 'public', name, dependsOn = [] }: Partial<ViewFields>,
  report: ViewReport,
): void {
  for (const [at, text] of dependsOn.entries()) {
    const path = ['dependsOn', at]
    try {
      const named = parseName(text)
      if (named.schema === null) report.add(path, `must say the schema, too: "public.${text}"`)
      else if (named.schema === schema && named.name === name)
        report.add(path, 'is the view itself: leave it out')
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      report.add(path, 'must be the name of a view as SQL reads it, with its schema: "public.sales"')
    }
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
    try {
      return Object.entries(settingTexts(view, { [name]: value }))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      report.add(['settings', name], error.message)
      return []
    }
  })
  return Object.fromEntries(read)
}
