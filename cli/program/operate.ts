import { Argument, type Command, Option } from 'commander'
import { batchStatuses, exchanges, operations, runStatuses } from '../../src/plan/run.ts'
import { rowCountStrategies, strategies } from '../../src/plan/views/definition.ts'
import { natural, positive } from './arguments.ts'

const json = ['--json', 'print JSON, for programs'] as const
const watch = ['--watch', 'show how it goes on, until its end'] as const
const noWait = ['--no-wait', 'end as soon as it has begun'] as const

/** The commands for people who look after an environment. They talk to its HTTP API. */
export function addOperatingCommands(program: Command): void {
  program.commandsGroup('Operate (the local gateway, or a deployed environment with --env):')

  operating(program, 'ls')
    .argument('[pattern...]', "globs on the views' names, such as 'sales.*'")
    .description('list views: what is stale or failed comes first')
    .option('--stale', 'only views that are older than their limit')
    .option('--failed', 'only views whose last run failed')
    .option('--running', 'only views that are being refreshed')
    .option('--paused', 'only views that are paused')
    .option('--missing', 'only views that somebody has dropped')
    .addOption(new Option('--sort <by>', 'sort by').choices(['age', 'name', 'rows', 'duration', 'next']))
    .option(...json)
    .action(async (patterns, options) =>
      (await import('../commands/operate/ls.ts')).ls({ patterns, ...options }),
    )

  operating(program, 'show')
    .argument('<view>')
    .description('show one view: limit, schedule, indexes, last runs')
    .option('--sql', 'print only its query')
    .option(...json)
    .action(async (view, options) => (await import('../commands/operate/show.ts')).show({ view, ...options }))

  operating(program, 'why')
    .argument('<view>')
    .description('say why a view is so old, and what to do')
    .option(...json)
    .action(async (view, options) => (await import('../commands/operate/why.ts')).why({ view, ...options }))

  operating(program, 'refresh')
    .argument('[view...]')
    .description('refresh views in dependency order, and watch')
    .option('--all', 'every view, except those whose definition says inAll: false')
    .option(
      '--select <glob...>',
      "views whose name fits: 'sales.*'; +glob: also what they read; glob+: also what reads them",
    )
    .addOption(
      new Option('--strategy <name>', 'how to refresh (default: as each view is defined)').choices(
        strategies,
      ),
    )
    .option('--concurrently', 'the same as --strategy concurrent')
    .option('--force', 'one view: also if it is paused or was refreshed a moment ago')
    .addOption(new Option('--count <how>', 'one view: count its rows').choices(rowCountStrategies))
    .option('--timeout <seconds>', 'one view: the longest time on the server', positive)
    .option('--at-once <n>', 'several views: how many at once (default: 2)', positive)
    .option(
      '--retries <n>',
      'several views: how often to try a view again (default: as each view is defined)',
      natural,
    )
    .addOption(
      new Option(
        '--exchange <how>',
        'several views: exchange those that read each other together or each',
      ).choices(exchanges),
    )
    .option('--watch', 'show how it goes on, until its end (the default)')
    .option(...noWait)
    .option(...json)
    .addHelpText(
      'after',
      `
Ctrl-C ends only the watching: the refresh goes on, and the command that cancels
it is printed.
The exit code is 1 if a view was not refreshed.`,
    )
    .action(async (views, options) =>
      (await import('../commands/operate/refresh.ts')).refresh({ views, ...options }),
    )

  operating(program, 'create')
    .argument('<view>')
    .description('create a view from its definition')
    .option('--force', 'replace the view if it exists and nothing depends on it')
    .option('--no-data', 'leave the view empty')
    .option(...noWait)
    .option(...json)
    .action(async (view, options) =>
      (await import('../commands/operate/create.ts')).create({ view, ...options }),
    )

  operating(program, 'drop')
    .argument('<view>')
    .description('drop a view, after a question')
    .option('--cascade', 'also what depends on it')
    .option('-y, --yes', 'do not ask')
    .option(...noWait)
    .option(...json)
    .action(async (view, options) => (await import('../commands/operate/drop.ts')).drop({ view, ...options }))

  operating(program, 'runs')
    .argument('[view]')
    .description('list runs, newest first')
    .addOption(new Option('--status <status>', 'only runs with this status').choices(runStatuses))
    .addOption(new Option('--operation <name>', 'only runs of this operation').choices(operations))
    .option('--since <when>', 'only runs since then: 90m, 24h, 7d, or a time')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .option('-f, --follow', 'print each further run when it has ended')
    .option(...json)
    .action(async (view, options) => (await import('../commands/operate/runs.ts')).runs({ view, ...options }))

  operating(program, 'run')
    .argument('<id>', 'the number of the run', positive)
    .description('show one run: how long it took, why it failed')
    .option(...watch)
    .option('--sql', 'print only the SQL that was executed')
    .option(...json)
    .action(async (id, options) => (await import('../commands/operate/run.ts')).run({ id, ...options }))

  operating(program, 'batches')
    .description('list batches, newest first')
    .addOption(new Option('--status <status>', 'only batches with this status').choices(batchStatuses))
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .option(...json)
    .action(async (options) => (await import('../commands/operate/batches.ts')).batches(options))

  operating(program, 'batch')
    .argument('<id>')
    .description('show one batch: what each view does or waits for')
    .option(...watch)
    .option(...json)
    .action(async (id, options) => (await import('../commands/operate/batches.ts')).batch({ id, ...options }))

  operating(program, 'cancel')
    .argument('<id>', 'of a run or a batch')
    .description('cancel a run, or a batch with its runs')
    .action(async (id, options) => (await import('../commands/operate/cancel.ts')).cancel({ id, ...options }))

  operating(program, 'pause')
    .argument('[view...]')
    .description('keep views from being refreshed')
    .option('--all', 'everything: schedules and deploys refresh nothing')
    .action(async (views, options) =>
      (await import('../commands/operate/pause.ts')).pause({ views, ...options }),
    )

  operating(program, 'resume')
    .argument('[view...]')
    .description('end a pause')
    .option('--all', 'the pause of everything')
    .action(async (views, options) =>
      (await import('../commands/operate/pause.ts')).resume({ views, ...options }),
    )

  operating(program, 'metrics')
    .argument('[view]')
    .description('show how long refreshes take, how often they fail')
    .option('--window <time>', 'how far back: 90m, 24h, 7d', '24h')
    .option(...json)
    .action(async (view, options) =>
      (await import('../commands/operate/metrics.ts')).metrics({ view, ...options }),
    )

  operating(program, 'open')
    .argument('[view]', 'the page of this view')
    .description('open the page in the browser')
    .option('--port <n>', 'the port of the proxy that signs (default: a free one)', positive)
    .option('--no-browser', 'only print the address')
    .action(async (view, options) => (await import('../commands/operate/open.ts')).open({ view, ...options }))

  program
    .command('test-alarm')
    .argument('[alarm]', 'the alarm, as docs/runbook.md names it', 'failed-runs')
    .description('set an alarm off for a moment, to see its mail')
    .addOption(
      new Option('--env <name>', 'the deployed environment').env('VIEWKEEPER_ENV').makeOptionMandatory(),
    )
    .action(async (alarm, { env }) =>
      (await import('../commands/operate/test-alarm.ts')).testAlarm({ env, alarm }),
    )

  program
    .command('completion')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .description('print a script that completes commands and views')
    .action(async (shell) => (await import('../commands/operate/completion.ts')).completion(program, shell))
}

/** A command that works on an environment. */
const operating = (program: Command, name: string): Command =>
  program
    .command(name)
    .option('--env <name>', 'the deployed environment (default: VIEWKEEPER_ENV), with your own AWS rights')
    .option('--url <address>', 'the address of the API, instead of the one of an environment')
