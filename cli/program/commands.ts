import type { Command } from 'commander'
import { addLogin } from '../target/login.ts'

interface CommandFile {
  /** Adds the commands of the file, with their arguments and options. */
  addTo(program: Command): void
}

type Group = Record<string, () => Promise<CommandFile>>

const operating: Group = {
  ls: () => import('../commands/operate/ls.ts'),
  show: () => import('../commands/operate/show.ts'),
  why: () => import('../commands/operate/why.ts'),
  refresh: () => import('../commands/operate/refresh.ts'),
  check: () => import('../commands/operate/check.ts'),
  retry: () => import('../commands/operate/retry.ts'),
  create: () => import('../commands/operate/create.ts'),
  drop: () => import('../commands/operate/create.ts'),
  runs: () => import('../commands/operate/runs.ts'),
  run: () => import('../commands/operate/runs.ts'),
  batches: () => import('../commands/operate/batches.ts'),
  batch: () => import('../commands/operate/batches.ts'),
  actions: () => import('../commands/operate/actions.ts'),
  cancel: () => import('../commands/operate/cancel.ts'),
  pause: () => import('../commands/operate/pause.ts'),
  resume: () => import('../commands/operate/pause.ts'),
  metrics: () => import('../commands/operate/metrics.ts'),
  plan: () => import('../commands/operate/plan.ts'),
  graph: () => import('../commands/operate/graph.ts'),
  env: () => import('../commands/operate/env.ts'),
  open: () => import('../commands/operate/open.ts'),
  notify: () => import('../commands/operate/serve.ts'),
  serve: () => import('../commands/operate/serve.ts'),
}

const authoring: Group = {
  init: () => import('../commands/author/init.ts'),
  dev: () => import('../commands/author/dev.ts'),
  new: () => import('../commands/author/new.ts'),
  freeze: () => import('../commands/author/freeze.ts'),
  drift: () => import('../commands/author/drift.ts'),
  migrate: () => import('../commands/author/migrate.ts'),
  adopt: () => import('../commands/author/adopt.ts'),
  diff: () => import('../commands/author/diff.ts'),
  'bad-row': () => import('../commands/author/bad-row.ts'),
  doctor: () => import('../commands/author/doctor.ts'),
  'create-role': () => import('../commands/author/create-role.ts'),
  token: () => import('../commands/author/token.ts'),
  alter: () => import('../commands/author/alter.ts'),
  'set-aside': () => import('../commands/author/set-aside.ts'),
  'put-back': () => import('../commands/author/set-aside.ts'),
  slices: () => import('../commands/author/slices.ts'),
}

/** The groups of commands by their titles; of each command the file that declares it. */
const groups: Record<string, Group> = {
  'Operate (the local gateway, or a deployed environment with --env):': operating,
  'Author (the views and migrations of the current folder, and DATABASE_URL):': authoring,
}

/** Commands of the authors that connect to no database. */
const withoutDatabase = ['init', 'dev', 'new']

/**
 * Adds the command of this name to the program. Adds all commands if there is none of the name, for their help. Importing all
 * of them takes most of the start-up time.
 */
export async function addCommands(program: Command, name: string | undefined): Promise<void> {
  const isOne = Object.values(groups).some((group) => Object.hasOwn(group, name ?? ''))
  for (const [title, group] of Object.entries(groups)) {
    program.commandsGroup(title)
    const loads = Object.entries(group).flatMap(([each, load]) => (!isOne || each === name ? [load()] : []))
    const before = program.commands.length
    for (const file of new Set(await Promise.all(loads))) file.addTo(program)
    if (group === authoring)
      for (const command of program.commands.slice(before))
        if (!withoutDatabase.includes(command.name())) addLogin(command)
  }
}
