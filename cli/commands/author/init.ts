import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type Command, Option } from 'commander'
import { dim, report } from '../../../src/terminal/report.ts'
import { docsOf, Problem } from '../../../src/words/problem.ts'
import { exampleConstruct, filesOf, packages } from '../../init/template.ts'
import { readConfig, shownPath } from '../../project/folders.ts'

/** Declares `init`. */
export function addTo(program: Command): void {
  program
    .command('init')
    .description('make the files that a folder of views needs; replaces nothing')
    .option(
      '--from-rds <identifier>',
      'write the CDK app for this RDS instance or cluster, read with your AWS credentials',
    )
    .addOption(new Option('--serve', 'for viewkeeper serve: nothing of AWS').conflicts('fromRds'))
    .option('--region <name>', 'the region of --from-rds (default: that of your AWS credentials)')
    .action((options) => init(options))
}

interface InitOptions {
  fromRds?: string
  region?: string
  serve?: boolean
}

/**
 * Copies the template into the current folder, and says what to type next. Files that exist stay as they are, so a second call
 * changes nothing. A folder with a CDK app gets no other one: the construct is shown instead.
 */
export async function init({ fromRds, region, serve = false }: InitOptions = {}): Promise<void> {
  if (region !== undefined && fromRds === undefined)
    throw new Problem('InvalidRequest', '--region is the region of --from-rds: give both, or neither.', {
      field: '--region',
    })
  const found = fromRds === undefined ? undefined : await readRds(fromRds, region)
  const { file, folders } = await readConfig()
  const places: Record<string, string | null> = {
    'viewkeeper.config.ts': file,
    'views/README.md': `${shownPath(folders.views)}README.md`,
    'migrations/README.md': `${shownPath(folders.migrations)}README.md`,
  }
  const hasApp = !serve && (existsSync('cdk.json') || existsSync('bin/app.mts'))
  const name = basename(process.cwd())
  const ofWay = filesOf(serve ? 'serve' : 'aws', name, found)
  const files = [...filesOf('every', name), ...ofWay.filter(([path]) => !hasApp || existsSync(path))].map(
    ([from, text]) => ({ path: places[from] ?? from, text, exists: existsSync(places[from] ?? from) }),
  )
  const width = Math.max(...files.map(({ path }) => path.length))
  for (const { path, text, exists } of files) {
    if (!exists) await write(path, text)
    if (exists) report.line(dim(`· ${path.padEnd(width)}   kept`))
    else report.success(`${path.padEnd(width)}   made`)
  }
  report.line()
  if (files.every(({ exists }) => exists) && !(found && hasApp))
    return report.line('everything is there: nothing was changed')
  const { every, aws } = packages
  const lines = [
    'next:',
    '',
    ...ignoring(ofWay.find(([path]) => path === '.gitignore')![1]),
    ...installing(serve || hasApp ? every : [...every, ...aws]),
    '  npx viewkeeper new sales   # the files of a first view',
    ...(serve
      ? []
      : ["  npx viewkeeper adopt --all -m 'What is there'   # or the views that DATABASE_URL has"]),
    '  npx viewkeeper dev         # PostgreSQL, API and page on this machine',
    '',
    ...(serve ? toServe : toDeploy(hasApp, found)),
  ]
  for (const line of lines) report.line(line)
}

async function readRds(identifier: string, given: string | undefined) {
  // What speaks to AWS is loaded only for this.
  const { queryApiOf } = await import('../../api/query-api.ts')
  const { environmentOf, readServer } = await import('../../init/rds.ts')
  const { region, call } = await queryApiOf(given)
  try {
    return environmentOf(await readServer(call, identifier), region)
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem(
      'FunctionUnavailable',
      `AWS did not say what is needed of ${identifier}: ${(error as Error).message}. Nothing was written. Try again, or write the ` +
        `app yourself: ${docsOf('cdk.md')}`,
      { cause: error },
    )
  }
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text, { flag: 'wx' })
}

const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')

/** What adds the lines that .gitignore lacks. */
function ignoring(lines: string): string[] {
  const own = read('.gitignore')
  const missing = lines
    .trim()
    .split('\n')
    .filter((line) => !own.includes(line.replace(/\/$/, '')))
  return missing.length === 0 ? [] : [`  printf '\\n${missing.join('\\n')}\\n' >> .gitignore`]
}

/** What installs the packages, with those that package.json lacks. */
function installing(wanted: string[]): string[] {
  const own = read('package.json')
  const missing = wanted.filter((each) => !own.includes(`"${each.replace(/@.*/, '')}"`))
  return [`  ${['npm install', ...missing].join(' ')}`]
}

const toServe = [
  'on your database (node_modules/viewkeeper/docs/without-aws.md):',
  '',
  "  export DATABASE_URL='postgres://user:password@host:5432/database'",
  "  npx viewkeeper adopt --all -m 'What is there'   # your views",
  '  npx viewkeeper notify --test                    # once somebody is told',
  '  npx viewkeeper serve                            # schedules, monitor, API and page',
]

const deployCommands = [
  "npx cdk bootstrap --app ''   # once for each account and region",
  'npx cdk deploy -c env=production',
]

function toDeploy(hasApp: boolean, found?: { construct: string; commands: string[] }): string[] {
  const commands = (found?.commands ?? (hasApp ? [] : deployCommands)).map((each) => `  ${each}`)
  if (!hasApp)
    return [
      found === undefined
        ? 'to deploy, write your account, network and database into bin/app.mts, then:'
        : 'to deploy what bin/app.mts says, once the second command has made the role:',
      '',
      ...commands,
    ]
  return [
    'to deploy, put this into a stack of your CDK app, with your network and your database:',
    '',
    "  import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'",
    '',
    ...(found?.construct ?? exampleConstruct()).split('\n').map((line) => `  ${line}`),
    ...(commands.length === 0 ? [] : ['', ...commands]),
  ]
}
