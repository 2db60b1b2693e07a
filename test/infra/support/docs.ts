import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { methodTypes } from '../../../build/methods.ts'
import { fieldTable, optionTypes, propTable, serveTable, viewInput } from '../../../build/option-docs.ts'
import { addCommands, termOf } from '../../../cli/program.ts'
import { eventsAsJsonSchema } from '../../../src/api/events.ts'
import { type AnyRoute, routeKey } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { standsOn } from '../../../src/slices/plan/stands-on.ts'
import { codes } from '../../../src/words/problem.ts'
import { alarmTable } from './alarms.ts'
import { controlTable } from './controls.ts'
import { costTable, exampleTable } from './cost.ts'
import { dashboardPicture } from './dashboard-picture.ts'
import { mails, notice } from './mails.ts'

import { quotaTable } from './quotas.ts'
import { kinds } from './synth.ts'
import { tenant } from './tenant.ts'

/** A part of the documentation that is made by the code. */
interface MadePart {
  page: URL
  /** The part stands between two comments with this name. Null: the part is the whole file. */
  name: string | null
  text: string
}

const page = (name: string) => new URL(`../../../docs/${name}`, import.meta.url)

/** Environments as people have them. */
const examples = () => ({
  'on a server with a NAT': kinds.imported,
  'without a NAT': kinds['imported without NAT'],
  'every day, with metrics per view': kinds.created,
})

/** Loaders give what a module exports in different orders. */
const sortKey = ({ path, method }: AnyRoute) => `${path} ${method}`

/** The HTTP routes as a table. */
const routeTable = () =>
  [
    '| route | does |',
    '|---|---|',
    ...(Object.values(routes) as AnyRoute[])
      .filter((route) => route !== routes.getOpenapi)
      .toSorted((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1))
      .map((route) => `| \`${routeKey(route)}\` | ${route.does ?? route.says} |`),
    '',
  ].join('\n')

const inCode = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(', ')

/** The codes of problems by their HTTP status. */
const problemTable = () =>
  [
    '| status | codes |',
    '|---|---|',
    ...Object.entries(Object.groupBy(Object.entries(codes), ([, { status }]) => status)).map(
      ([status, found]) => `| ${status} | ${inCode(found!.map(([code]) => code))} |`,
    ),
    '',
  ].join('\n')

/** The commands of the command line, as its help lists them. */
async function commandTable(): Promise<string> {
  const program = new Command()
  await addCommands(program, undefined)
  return Object.entries(Object.groupBy(program.commands, (command) => command.helpGroup()))
    .flatMap(([group, commands]) => [
      `**${group.replace(/:$/, '')}**`,
      '',
      '| command | what it does |',
      '|---|---|',
      ...commands!.flatMap((command) =>
        [command, ...command.commands].map(
          (each) =>
            `| \`${each === command ? '' : `${command.name()} `}${termOf(each)}\` | ${each.description()} |`,
        ),
      ),
      '',
    ])
    .join('\n')
}

/** What the rows of an incremental table stand on. */
const factTable = () =>
  [
    '| of an incremental table | may be changed by | a refresh |',
    '|---|---|---|',
    ...standsOn.map(({ what, who, refresh }) => `| ${what} | ${who} | ${refresh} |`),
    '',
  ].join('\n')

export const madeParts: MadePart[] = [
  {
    page: page('events.schema.json'),
    name: null,
    text: `${JSON.stringify(eventsAsJsonSchema(), null, 2)}\n`,
  },
  { page: page('dashboard.svg'), name: null, text: dashboardPicture(kinds.created.template) },
  { page: page('monitoring.md'), name: 'alarms', text: alarmTable() },
  { page: page('monitoring.md'), name: 'mails', text: mails() },
  { page: page('data/notice.json'), name: null, text: notice() },
  { page: page('landing-zones.md'), name: 'controls', text: controlTable() },
  { page: page('cost.md'), name: 'examples', text: exampleTable(examples()) },
  { page: page('cost.md'), name: 'costs', text: costTable(kinds.created) },
  {
    page: page('benchmarks.md'),
    name: 'quotas',
    text: quotaTable({
      'an environment with its own server': kinds.created,
      'a tenant of a fleet': tenant(),
    }),
  },
  { page: page('serve.md'), name: 'options', text: serveTable() },
  { page: page('cdk.md'), name: 'props', text: propTable() },
  { page: new URL('../../../src/config/options.ts', import.meta.url), name: null, text: optionTypes() },
  { page: new URL('../../../src/methods.ts', import.meta.url), name: null, text: await methodTypes() },
  { page: page('http.md'), name: 'routes', text: routeTable() },
  { page: page('http.md'), name: 'problems', text: problemTable() },
  { page: page('slices.md'), name: 'facts', text: factTable() },
  { page: page('cli.md'), name: 'commands', text: await commandTable() },
  { page: page('views.md'), name: 'fields', text: fieldTable() },
  { page: new URL('../../../src/authored/view-input.ts', import.meta.url), name: null, text: viewInput() },
]

/** A part's page as it is, and as it would be with that part made anew. */
export function readPage({ page, name, text }: MadePart): { written: string; made: string } {
  const begin = `<!-- ${name}: made by \`npm run docs\` -->\n`
  const end = `<!-- end of ${name} -->`
  const written = readFileSync(page, 'utf8')
  if (name === null) return { written, made: text }
  const [before, rest = ''] = written.split(begin)
  const [, after] = rest.split(end)
  if (after === undefined) throw new Error(`${page} has no place for ${name}`)
  return { written, made: `${before}${begin}${text}${end}${after}` }
}
