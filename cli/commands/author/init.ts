import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { dim, report } from '../../../src/terminal/report.ts'
import { readFacts } from '../../init/facts.ts'
import { nextSteps } from '../../init/next.ts'
import { type PlannedFile, planInit } from '../../init/plan.ts'
import { readFolders, shownPath } from '../../project/config.ts'

/** Declares `init`. */
export function addTo(program: Command): void {
  program
    .command('init')
    .description('make what this folder needs for views; replaces nothing')
    .action(() => init())
}

/**
 * Makes in the current folder what a team needs to keep its views with Viewkeeper, and says what to type next. Replaces
 * nothing: files get only what they lack. A second call changes nothing.
 */
export async function init(): Promise<void> {
  const { views, migrations } = await readFolders()
  const facts = readFacts(process.cwd(), {
    folders: { views: nameOf(views), migrations: nameOf(migrations) },
    agent: process.env.npm_config_user_agent,
  })
  const files = planInit(facts)
  for (const file of files) if (file.does !== 'keep') await write(file)
  const width = Math.max(...files.map(({ path }) => path.length))
  for (const file of files) tell(file, width)
  report.line()
  if (files.every(({ does }) => does === 'keep'))
    return report.line('everything is there: nothing was changed')
  for (const line of nextSteps(facts)) report.line(line)
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
