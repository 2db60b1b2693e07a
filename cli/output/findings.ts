import { abilities, type ViewRights } from '../../src/catalog/plan/abilities.ts'
import { fixLines, type Obstacle } from '../../src/catalog/plan/rights.ts'
import type { Slices } from '../../src/slices/plan/prove.ts'
import type { ViewSlices } from '../../src/slices/slices.ts'
import { printed } from '../../src/sql/names.ts'
import { unsaid } from '../../src/sql/replicas.ts'
import { count } from '../../src/terminal/report.ts'
import type { Findings } from '../../src/watch/doctor.ts'
import { columnLines } from './table.ts'
import { harmless } from './width.ts'

/** What the doctor found, as lines for people: a table, what stands in the way, and the SQL that is missing. */
export const findingsLines = (findings: Findings): string[] =>
  linesFor(findings)
    .flatMap((line) => printed(line).split('\n'))
    .map(harmless)

function linesFor(findings: Findings): string[] {
  const {
    role,
    schema = [],
    administrators = [],
    views,
    missing,
    untried,
    copy,
    replicas,
    withoutKey,
    notSkipped = [],
    silence,
    slices,
  } = findings
  const standbys = unsaid(replicas)
  return [
    `What ${role} may do:`,
    '',
    ...columnLines([
      ['view', 'owner', ...abilities],
      ...views.map((view) => [view.view, view.owner, ...abilities.map((ability) => mark(view[ability]))]),
    ]),
    ...obstacleLines(views),
    ...(schema.length === 0 ? [] : ['', 'schema viewkeeper', ...schema.map(({ because }) => `  ${because}`)]),
    ...administrators.flatMap(({ role, by, members }, at) => [
      ...(at === 0 ? [''] : []),
      `role ${role}: administered by ${by.join(', ') || 'superusers'}; members: ${members.join(', ') || 'none'}`,
    ]),
    ...withoutKey.flatMap(({ view, message }) => ['', `${view} ${message}`]),
    ...notSkipped.flatMap(({ text, next }) => ['', text, ...(next === null ? [] : [`  next: ${next}`])]),
    ...(silence?.lines ?? []).flatMap((line) => ['', `! ${line}`]),
    ...(slices === undefined ? [] : ['', ...slices.flatMap(sliceLines)]),
    ...(standbys === null ? [] : ['', standbys]),
    ...(copy === undefined ? [] : ['', copy]),
    ...(untried === undefined ? [] : ['', untried]),
    ...fixLines(missing),
    '',
    missing.length === 0
      ? `${count(views.length, 'view')}: no right is missing`
      : `${count(missing.length, 'right is', 'rights are')} missing. When the SQL above has run, look again: npx viewkeeper doctor`,
  ]
}

/** By what a view falls into slices, or why it does not: a line for each table that it reads. */
const sliceLines = ({ view, because, tables }: ViewSlices): string[] =>
  because !== null
    ? [`${view} does not fall into slices: ${because}`]
    : tables.map(({ table, slices, because }) =>
        because === null
          ? `${view} falls into slices of ${slices.map((each) => keyWords(table, each)).join(', or of ')}`
          : `${view} does not fall into slices of ${table}: ${because}`,
      )

const keyWords = (table: string, { by, column, bySettings }: Slices): string =>
  `${by} (${table}.${column}${bySettings ? '; if TimeZone and the like are the same in every refresh' : ''})`

/** ✗ a right is missing, – it is impossible for another reason */
const mark = (obstacles: Obstacle[]): string =>
  obstacles.length === 0 ? '✓' : obstacles.some(({ fix }) => fix !== null) ? '✗' : '–'

/** What stands in the way; views with the same obstacles are named together. */
function obstacleLines(views: ViewRights[]): string[] {
  const alike = Map.groupBy(views, (view) => linesOf(view).join('\n'))
  alike.delete('')
  return [...alike].flatMap(([lines, same]) => [
    '',
    same.map(({ view }) => view).join(', '),
    ...lines.split('\n'),
  ])
}

function linesOf(view: ViewRights): string[] {
  const hindered = abilities.flatMap((ability) => view[ability].map(({ because }) => ({ ability, because })))
  return [...Map.groupBy(hindered, ({ because }) => because)].map(
    ([because, each]) => `  ${each.map(({ ability }) => ability).join(', ')}: ${because}`,
  )
}
