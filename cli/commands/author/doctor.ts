import type { Command } from 'commander'
import { abilities, type ViewRights } from '../../../src/catalog/plan/abilities.ts'
import { fixLines, type Obstacle } from '../../../src/catalog/plan/rights.ts'
import type { Slices } from '../../../src/slices/plan/prove.ts'
import { printed, quoteName } from '../../../src/sql/names.ts'
import { unsaid } from '../../../src/sql/replicas.ts'
import { count, report } from '../../../src/terminal/report.ts'
import type { Findings, LoggableView } from '../../../src/watch/doctor.ts'
import { columnLines } from '../../output/table.ts'
import { harmless } from '../../output/terminal.ts'
import { qualified } from '../../project/names.ts'
import { targetOf } from '../../target/direct.ts'
import { environment, formatted } from '../asking.ts'

interface DoctorOptions {
  views: string[]
  role?: string
  slices?: boolean
  env?: string
  json?: boolean
}

/** Declares `doctor`. */
export function addTo(program: Command): void {
  formatted(program.command('doctor'))
    .argument('[view...]', 'only these views')
    .description('list which rights are missing, and the SQL for them')
    .option('--role <name>', 'the role to look at (default: the login)')
    .option('--slices', 'also say by which columns the views fall into slices, and why others do not')
    .option(...environment)
    .action((views, options) => doctor({ views, ...options }))
}

/** Prints what a role may do with each view and the SQL that is missing. If a right is missing, the exit code is 1. */
async function doctor({ views, role, slices, env, json }: DoctorOptions): Promise<void> {
  const findings = await (await targetOf({ env })).doctor({
    views: views.length === 0 ? 'all' : views.map((view) => quoteName(qualified(view, 'view'))),
    role: role ?? null,
    // A version from before this question refuses it.
    ...(slices ? { slices } : {}),
  })
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
  else for (const line of findingsLines(findings)) report.line(line)
  if (findings.missing.length > 0) process.exitCode = 1
}

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
    unseen,
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
    ...[...(unseen ? [unseen] : []), ...notSkipped].flatMap(({ text, next }) => [
      '',
      text,
      ...(next === null ? [] : [`  next: ${next}`]),
    ]),
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
const sliceLines = ({ view, because, tables, noLog }: LoggableView): string[] =>
  because !== null
    ? [`${view} does not fall into slices: ${because}`]
    : [
        ...tables.map(({ table, slices, because }) =>
          because === null
            ? `${view} falls into slices of ${slices.map((each) => keyWords(table, each)).join(', or of ')}`
            : `${view} does not fall into slices of ${table}: ${because}`,
        ),
        ...noLog.map((why) => `  not by a log of changes: ${why}`),
      ]

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
