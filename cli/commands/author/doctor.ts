import type { Command } from 'commander'
import { abilities, type ViewRights } from '../../../src/catalog/plan/abilities.ts'
import { fixLines, type Obstacle } from '../../../src/catalog/plan/rights.ts'
import { standbysLine } from '../../../src/server/standbys.ts'
import type { JoinedTable } from '../../../src/slices/db/log.ts'
import type { SliceKey } from '../../../src/slices/plan/prove.ts'
import type { LoggableView } from '../../../src/slices/slices.ts'
import { quoteName } from '../../../src/sql/names.ts'
import { count, report } from '../../../src/terminal/report.ts'
import type { Findings } from '../../../src/watch/doctor.ts'
import { type CommandTarget, command, lineOf } from '../../../src/words/commands.ts'
import { printed, unquoted } from '../../../src/words/names.ts'
import { names } from '../../../src/words/phrases.ts'
import { local, targetOf as typedOf } from '../../api/api-of.ts'
import { columnLines } from '../../output/table.ts'
import { harmless } from '../../output/terminal.ts'
import { qualified } from '../../project/names.ts'
import { targetOf } from '../../target/direct.ts'
import type { Subscribers } from '../../target/mails.ts'
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
  // Without --env it works on DATABASE_URL, whatever VIEWKEEPER_ENV says.
  const typed = typedOf({ env: env ?? local })
  const findings = await (await targetOf({ env })).doctor(
    {
      views: views.length === 0 ? 'all' : views.map((view) => quoteName(qualified(view, 'view'))),
      role: role ?? null,
      // A version from before this question refuses it.
      ...(slices ? { slices } : {}),
    },
    typed,
  )
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
  else for (const line of findingsLines(findings, typed)) report.line(line)
  if (findings.missing.length > 0) process.exitCode = 1
}

/** What the doctor found on the target, as lines for people: a table, what stands in the way, and the SQL that is missing. */
export const findingsLines = (
  findings: Findings & { mails?: Subscribers | null },
  typed: CommandTarget = null,
): string[] =>
  linesFor(findings, typed)
    .flatMap((line) => printed(line).split('\n'))
    .map(harmless)

function linesFor(findings: Findings & { mails?: Subscribers | null }, typed: CommandTarget): string[] {
  const {
    role,
    schema = [],
    administrators = [],
    views,
    missing,
    untried,
    copy,
    replicas,
    unseen,
    notSkipped = [],
    writers = [],
    silence,
    slices,
    mails,
  } = findings
  const standbys = standbysLine(replicas)
  const hindered = views.filter((view) => abilities.some((ability) => view[ability].length > 0))
  const lines = [
    ...(hindered.length === 0 ? [] : hinderedLines(role, hindered, views.length)),
    ...(schema.length === 0 ? [] : ['', 'schema viewkeeper', ...schema.map(({ because }) => `  ${because}`)]),
    ...administrators.flatMap(({ role, by, members }, at) => [
      ...(at === 0 ? [''] : []),
      `role ${role}: administered by ${by.join(', ') || 'superusers'}; members: ${members.join(', ') || 'none'}`,
    ]),
    ...[...(unseen ? [unseen] : []), ...notSkipped, ...writers].flatMap(({ text, next }) => [
      '',
      text,
      ...(next === null ? [] : [`  next: ${next}`]),
    ]),
    ...(silence?.lines ?? []).flatMap((line) => ['', `! ${lineOf(line, typed)}`]),
    ...(mails === undefined ? [] : listenerLines(mails).flatMap((line) => ['', line])),
    ...(slices === undefined ? [] : ['', ...slices.flatMap(sliceLines)]),
    ...(standbys === null ? [] : ['', standbys]),
    ...(copy === undefined ? [] : ['', copy]),
    ...(untried === undefined ? [] : ['', untried]),
    ...fixLines(missing),
    '',
    missing.length === 0
      ? `${count(views.length, 'view')}: no right is missing`
      : `${count(missing.length, 'right is', 'rights are')} missing. When the SQL above has run, look again: npx ${command(['doctor', '--role', unquoted(role)], typed)}`,
  ]
  return lines[0] === '' ? lines.slice(1) : lines
}

/** Who gets the mails of an environment, if not everybody does. */
function listenerLines(listeners: Subscribers | null): string[] {
  if (listeners === null)
    return [
      '! Nobody knows who gets the mails: your AWS credentials may not call sns:ListSubscriptionsByTopic, or SNS does not answer. ' +
        'Policy define of the environment allows it.',
    ]
  const { topic, confirmed, unconfirmed } = listeners
  if (confirmed + unconfirmed.length === 0) return [`! Nobody gets the mails: ${topic} has no subscription.`]
  return unconfirmed.map(
    (address) =>
      `! ${address} has not confirmed and gets no mail: the link is in the mail "AWS Notification - Subscription Confirmation".`,
  )
}

/** By what a view falls into slices, or why it does not: by each table that it reads, and what a change of that touches by a join. */
const sliceLines = ({ view, because, tables, noLog }: LoggableView): string[] =>
  because !== null
    ? [`${view} does not fall into slices: ${because}`]
    : [
        ...tables.flatMap(({ table, slices, because, joined }) =>
          [
            because === null
              ? `${view} falls into slices of ${slices.map((each) => keyWords(table, each)).join(', or of ')}`
              : !joined && `${view} does not fall into slices of ${table}: ${because}`,
            joined && `${view}: a row of ${table} touches ${touchedBy(table, joined)}`,
          ].filter((line) => typeof line === 'string'),
        ),
        ...noLog.map((why) => `  not by a change log: ${why}`),
      ]

const touchedBy = (table: string, { because, column, ...joined }: JoinedTable): string =>
  because !== null
    ? `all slices: ${because}`
    : `the slices of the ${joined.table} that it joins (${joined.table}.${joined.to} = ${table}.${column}), if ${joined.table}.${joined.to} has an index`

const keyWords = (table: string, { by, column, bySettings }: SliceKey): string =>
  `${by} (${table}.${column}${bySettings ? '; if TimeZone and the like are the same in every refresh' : ''})`

/** ✗ a right is missing, – it is impossible for another reason */
const mark = (obstacles: Obstacle[]): string =>
  obstacles.length === 0 ? '✓' : obstacles.some(({ fix }) => fix !== null) ? '✗' : '–'

/** Views that a role may not do everything with, those of which a right is missing first, and why; the same of several is said once. */
function hinderedLines(role: string, views: ViewRights[], ofAll: number): string[] {
  const marked = views.map((view) => ({ view, marks: abilities.map((ability) => mark(view[ability])) }))
  const alike = [
    ...Map.groupBy(marked, ({ view, marks }) => [view.owner, ...marks, linesOf(view)].join('\n')).values(),
  ].toSorted((a, b) => Number(b[0]!.marks.includes('✗')) - Number(a[0]!.marks.includes('✗')))
  const named = (all: typeof marked) =>
    names(
      all.map(({ view }) => view.view),
      3,
    )
  return [
    ofAll === views.length
      ? `What ${role} may do:`
      : `What ${role} may do with ${views.length} of ${count(ofAll, 'view')} (with the others, everything):`,
    '',
    ...columnLines([
      ['view', 'owner', ...abilities],
      ...alike.map((all) => [named(all), all[0]!.view.owner, ...all[0]!.marks]),
    ]),
    ...[...Map.groupBy(alike.flat(), ({ view }) => linesOf(view).join('\n')).values()].flatMap((all) => [
      '',
      named(all),
      ...linesOf(all[0]!.view),
    ]),
  ]
}

function linesOf(view: ViewRights): string[] {
  const hindered = abilities.flatMap((ability) => view[ability].map(({ because }) => ({ ability, because })))
  return [...Map.groupBy(hindered, ({ because }) => because)].map(
    ([because, each]) => `  ${each.map(({ ability }) => ability).join(', ')}: ${because}`,
  )
}
