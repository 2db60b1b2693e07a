import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Command, Option } from 'commander'
import { docsOf, Problem } from '../../../src/problem.ts'
import { dim, report } from '../../../src/terminal/report.ts'
import { binFileOf, cdkAppOf, readFacts } from '../../init/facts.ts'
import { nextSteps, type PlannedFile, planInit, readShape, type Shape, shapes } from '../../init/plan.ts'
import { environmentOf } from '../../init/rds.ts'
import { readFolders, shownPath } from '../../project/folders.ts'

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
    .addOption(
      new Option('--as <shape>', 'with --serve: also what it runs as')
        .choices(shapes)
        .implies({ serve: true })
        .conflicts('fromRds'),
    )
    .option('--region <name>', 'the region of --from-rds (default: that of your AWS credentials)')
    .action((options) => init(options))
}

/**
 * Makes in the current folder what a team needs to keep its views with Viewkeeper, and says what to type next. Replaces
 * nothing: files get only what they lack. A second call changes nothing.
 */
export async function init({
  fromRds,
  region,
  serve: serves,
  as: shape,
}: {
  fromRds?: string
  region?: string
  serve?: boolean
  as?: Shape
} = {}): Promise<void> {
  if (region !== undefined && fromRds === undefined)
    throw new Problem('InvalidRequest', '--region is the region of --from-rds: give both, or neither.', {
      field: '--region',
    })
  const found = fromRds === undefined ? undefined : await readRds(fromRds, region)
  const { views, migrations } = await readFolders()
  const facts = {
    ...readFacts(process.cwd(), {
      folders: { views: nameOf(views), migrations: nameOf(migrations) },
      agent: process.env.npm_config_user_agent,
    }),
    app: found?.app,
    serves,
    shapes: shape && readShape(shape),
  }
  const hasApp = cdkAppOf(facts) === 'javascript' || facts.exists(binFileOf(facts))
  const files = planInit(facts)
  for (const file of files) if (file.does !== 'keep') await write(file)
  const width = Math.max(...files.map(({ path }) => path.length))
  for (const file of files) tell(file, width)
  report.line()
  if (found !== undefined && hasApp)
    report.line(`the CDK app is yours; put this into a stack of it:\n\n${found.text}\n`)
  else if (files.every(({ does }) => does === 'keep'))
    return report.line('everything is there: nothing was changed')
  for (const line of nextSteps(facts, found?.commands)) report.line(line)
}

async function readRds(identifier: string, given: string | undefined) {
  // What speaks to AWS is loaded only for this.
  const { queryApiOf } = await import('../../api/query-api.ts')
  const { readServer } = await import('../../init/rds.ts')
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

const nameOf = (folder: URL): string => shownPath(folder).replace(/\/$/, '')

async function write({ path, text, does }: Exclude<PlannedFile, { does: 'keep' }>): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text, { flag: does === 'make' ? 'wx' : 'w' })
}

function tell(file: PlannedFile, width: number): void {
  const path = file.path.padEnd(width)
  if (file.does === 'keep') report.line(dim(`· ${path}   kept`))
  else report.success(`${path}   ${file.does === 'make' ? 'made' : `added ${file.added}`}`)
}
