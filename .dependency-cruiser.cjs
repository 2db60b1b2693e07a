// Data flows one way: trigger → function → operation → plan → database → run → result. The layers stand one above the
// other, and each has a room for each subject. A room may know the rooms that are listed here, and no others.

const rooms = {
  // Pure planning: no I/O, no clock.
  'src/plan': [],
  'src/plan/views': ['src/plan'],
  // Why a view is as it is, and how urgent that is.
  'src/plan/diagnosis': ['src/plan', 'src/plan/views'],
  'src/plan/runs': ['src/plan', 'src/plan/views'],
  // Views made anew under other names, proved, filled and exchanged.
  'src/plan/rebuild': ['src/plan', 'src/plan/views', 'src/plan/runs'],
  'src/plan/batches': ['src/plan', 'src/plan/views', 'src/plan/diagnosis', 'src/plan/rebuild'],
  'src/plan/migrations': ['src/plan', 'src/plan/views', 'src/plan/runs', 'src/plan/rebuild'],
  'src/plan/aside': ['src/plan', 'src/plan/views', 'src/plan/runs', 'src/plan/rebuild'],
  'src/plan/monitoring': ['src/plan', 'src/plan/views', 'src/plan/diagnosis'],
  'src/plan/events': ['src/plan', 'src/plan/monitoring'],

  // What people read: notices as mails and chat messages, the words of alarms. Pure, too.
  'src/mails': ['src/plan', 'src/plan/diagnosis', 'src/plan/monitoring'],

  // What people read of each resource of the API, in the words of the command line and of the page. Pure, too.
  'src/resources': [
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/batches',
    'src/plan/diagnosis',
    'src/plan/monitoring',
    'src/edge/http/schemas',
  ],

  // What imports the files of users, and what their configuration says.
  'src/loading': ['src'],
  'src/config': ['src', 'src/loading', 'src/plan'],

  // Lines for the person at the terminal, of the command line and of the local gateway.
  'src/terminal': ['src/plan'],

  // What reads the disk.
  'src/files': ['src/plan', 'src/plan/migrations'],

  // All SQL that the functions send.
  'src/db/server': ['src/plan', 'src/plan/views'],
  'src/db/views': [
    'src/db/server',
    'src/db/runs',
    'src/plan',
    'src/plan/views',
    'src/plan/diagnosis',
    'src/plan/rebuild',
  ],
  // Every change of a run's status.
  'src/db/life': ['src/db/server', 'src/plan', 'src/plan/batches'],
  // How a run is executed on the server.
  'src/db/envelope': ['src/db/server', 'src/db/life', 'src/db/runs', 'src/plan', 'src/plan/views'],
  'src/db/runs': [
    'src/db/server',
    'src/db/life',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/diagnosis',
  ],
  'src/db/batches': [
    'src/db/server',
    'src/db/life',
    'src/db/runs',
    'src/db/views',
    'src/plan',
    'src/plan/views',
    'src/plan/diagnosis',
    'src/plan/rebuild',
    'src/plan/batches',
  ],
  // Twins that are made to see whether they fit, and undone.
  'src/db/rebuild': ['src/db/server', 'src/db/runs', 'src/plan/rebuild'],
  'src/db/migrations': [
    'src/db/server',
    'src/db/runs',
    'src/db/views',
    'src/db/rebuild',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/rebuild',
    'src/plan/migrations',
  ],
  'src/db/aside': [
    'src/db/server',
    'src/db/runs',
    'src/db/views',
    'src/db/rebuild',
    'src/db/migrations',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/rebuild',
    'src/plan/aside',
  ],
  'src/db/monitoring': [
    'src/db/server',
    'src/db/runs',
    'src/db/batches',
    'src/plan',
    'src/plan/batches',
    'src/plan/monitoring',
  ],
  'src/db/schema': ['src/db/server', 'src/plan', 'src/plan/views'],
  'src/db/events': ['src/db/server', 'src/db/runs', 'src/plan/events'],

  // Read facts, plan, act, record.
  'src/operations/runs': [
    'src/db/server',
    'src/db/life',
    'src/db/envelope',
    'src/db/runs',
    'src/db/views',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/rebuild',
  ],
  'src/operations/batches': [
    'src/operations/runs',
    // What is due, by schedules and target lags.
    'src/operations/monitoring',
    'src/db/server',
    'src/db/life',
    'src/db/envelope',
    'src/db/runs',
    'src/db/views',
    'src/db/batches',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/rebuild',
    'src/plan/batches',
  ],
  'src/operations/aside': [
    'src/operations/runs',
    'src/db/server',
    'src/db/runs',
    'src/db/views',
    'src/db/migrations',
    'src/db/aside',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/migrations',
    'src/plan/aside',
  ],
  'src/operations/migrations': [
    'src/operations/aside',
    'src/db/aside',
    'src/plan/aside',
    'src/operations/runs',
    'src/operations/views',
    'src/db/server',
    'src/db/life',
    'src/db/runs',
    'src/db/views',
    'src/db/migrations',
    'src/plan',
    'src/plan/views',
    'src/plan/runs',
    'src/plan/rebuild',
    'src/plan/migrations',
  ],
  // What people do with the views that they write. Only this room knows the parser, which no function has.
  'src/operations/authoring': [
    'src/operations/migrations',
    'src/db/server',
    'src/db/views',
    'src/plan',
    'src/plan/views',
    'src/plan/migrations',
    'src/files',
    'src/authoring',
    'src/authoring/sql',
  ],
  'src/operations/events': ['src/db/server', 'src/db/events', 'src/plan/monitoring', 'src/plan/events'],
  'src/operations/monitoring': [
    'src/operations/runs',
    'src/operations/events',
    'src/db/server',
    'src/db/life',
    'src/db/runs',
    'src/db/views',
    'src/db/batches',
    'src/db/monitoring',
    'src/db/events',
    'src/plan',
    'src/plan/views',
    'src/plan/diagnosis',
    'src/plan/batches',
    'src/plan/monitoring',
    'src/plan/events',
  ],
  'src/operations/views': [
    // A notice tells the causes that `why` tells.
    'src/db/monitoring',
    'src/plan/monitoring',
    'src/operations/runs',
    'src/operations/monitoring',
    'src/db/server',
    'src/db/life',
    'src/db/runs',
    'src/db/views',
    'src/db/batches',
    'src/plan',
    'src/plan/views',
    'src/plan/diagnosis',
    'src/plan/runs',
    'src/plan/rebuild',
    'src/plan/batches',
  ],
  'src/operations/schema': [
    'src/operations/views',
    'src/db/server',
    'src/db/views',
    'src/db/schema',
    'src/plan',
    'src/plan/views',
    'src/files',
  ],
}

/** Layers whose rooms are checked as one: `from` may know `allowed` besides itself. */
const layers = {
  'src/edge': [
    'src/operations',
    'src/db',
    'src/files',
    'src/mails/',
    'src/plan',
    'src/config/',
    'src/problem.ts',
    'src/version.ts',
  ],
  'src/authoring': ['src/config/told.ts', 'src/loading', 'src/plan', 'src/problem.ts'],
  functions: ['src/edge', 'src/operations'],
  // Infrastructure knows names and schedules, not code; and refuses broken migrations before a deploy does.
  infra: [
    'src/edge/http/routes.ts',
    'src/edge/metrics/names.ts',
    'src/edge/lambda/bell.ts',
    'src/plan/events/event.ts',
    'src/files/frozen-migrations.ts',
    'src/plan/alarms.ts',
    'src/plan/commands.ts',
    'src/plan/migrations/frozen.ts',
    'src/mails/',
    'src/package-files.ts',
    'src/plan/names.ts',
    'src/plan/nearest.ts',
    'src/plan/parameter.ts',
    'src/plan/runbook.ts',
    'src/plan/views/scheduled.ts',
    'src/authoring/schedule.ts',
    'src/config/',
    'src/problem.ts',
  ],
  cli: ['src', 'page/serve', 'local/run/', 'local/process/problem'],
  // A page in a browser, and what serves it. In the repository, the page is made when it is asked for.
  'page/serve': ['src/package-files.ts', 'src/plan/commands.ts', 'build/page.ts'],
  'page/app': ['src/plan', 'src/resources/', 'src/edge/http/schemas/answers.ts'],
  // Tests and benchmarks measure on the same servers, and wait for the same moments of a refresh.
  bench: [
    'src',
    'build',
    'local/embedded/',
    'test/support/servers/',
    'test/support/views/slow-view.ts',
    'test/support/waiting/',
  ],
  // Makes the files of the npm package.
  build: ['src/edge/http/openapi.ts', 'src/package-files.ts', 'src/version.ts'],
  // The gateway stands where Lambda stands.
  local: ['functions', 'src', 'page/serve'],
}

const ours = '^(functions|src|infra|local|cli|page|build|bench|test)/'
const inRoom = (room) => `^${room}/[^/]+$`

const ruleOfRoom = ([room, allowed]) => ({
  name: `${room.replaceAll('/', '-')}-knows`,
  severity: 'error',
  from: { path: inRoom(room) },
  to: { path: ours, pathNot: ['^src/problem.ts$', inRoom(room), ...allowed.map(inRoom)] },
})

const ruleOfLayer = ([layer, allowed]) => ({
  name: `${layer.replaceAll('/', '-')}-knows`,
  severity: 'error',
  from: { path: `^${layer}/` },
  to: { path: ours, pathNot: [`^${layer}/`, ...allowed.map((path) => `^${path}`)] },
})

module.exports = {
  forbidden: [
    ...Object.entries(rooms).map(ruleOfRoom),
    ...Object.entries(layers).map(ruleOfLayer),
    {
      name: 'every-room-has-a-rule',
      comment: 'A new room under src says in this file what it may know.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/(index|problem|package-files|version).ts$',
          '^src/(edge|authoring)/',
          ...Object.keys(rooms).map(inRoom),
        ],
      },
      to: {},
    },
    { name: 'no-circles-between-files', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-circles-between-rooms',
      severity: 'error',
      scope: 'folder',
      from: { path: '^(functions|src|infra|local|cli|page|build|bench)(/|$)' },
      to: { circular: true },
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^aws-lambda$' },
    },
    {
      name: 'plan-is-pure',
      severity: 'error',
      from: { path: '^src/(plan|mails|resources)/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'only-files-reads-the-disk',
      comment: 'In db and operations. An authored view is imported, and a function reads the roots of RDS.',
      severity: 'error',
      from: { path: '^src/(db|operations)/' },
      to: { path: '^(node:)?fs(/promises)?$' },
    },
    {
      name: 'only-db-knows-postgres',
      severity: 'error',
      from: { path: '^(functions|src|infra)/', pathNot: '^src/db/' },
      to: { path: '^node_modules/postgres/' },
    },
    {
      // What functions import is bundled with them, and so comes to everybody who installs the package.
      name: 'only-these-packages-in-functions',
      severity: 'error',
      from: { path: '^(functions|src)/' },
      to: {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only'],
        pathNot:
          '^node_modules/(@aws-lambda-powertools|@aws-sdk|@middy|@smithy|@types|croner|postgres|zod|zod-openapi)/',
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^cdk.out' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
}
