/** Data flows one way: trigger → function → operation → plan → database → run → result. */
const only = (from, allowed, comment) => ({
  name: `${from.replaceAll('/', '-')}-imports`,
  comment,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    path: '^(functions|src|infra|local|cli|bench|test)/',
    pathNot: [`^${from}/`, ...allowed.map((path) => `^${path}`)],
  },
})

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^aws-lambda$' },
    },
    only('src/plan', ['src/problem.ts'], 'Planning is pure: no I/O, no clock.'),
    {
      name: 'plan-is-pure',
      severity: 'error',
      from: { path: '^src/plan/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    only('src/db', ['src/plan', 'src/problem.ts'], 'The only folder that talks to Postgres.'),
    only('src/operations', ['src/db', 'src/plan', 'src/problem.ts'], 'Read facts, plan, act, record.'),
    only('src/edge', ['src/operations', 'src/db', 'src/plan', 'src/problem.ts'], 'Lambda and HTTP.'),
    only('src/authoring', ['src/plan', 'src/problem.ts'], 'What authors write; no database.'),
    only('functions', ['src/edge', 'src/operations'], 'A function binds an operation to its trigger.'),
    only(
      'infra',
      [
        'src/edge/http/routes.ts',
        'src/edge/metrics/names.ts',
        'src/files/frozen-migrations.ts',
        'src/plan/migrations/frozen.ts',
        'src/plan/names.ts',
        'src/plan/views/scheduled.ts',
        'src/authoring/schedule.ts',
        'src/problem.ts',
      ],
      'Infrastructure knows names and schedules, not code; and refuses broken migrations before a deploy does.',
    ),
    only('cli', ['src', 'infra/environments.ts'], 'The command line; and where its environments are.'),
    only('bench', ['src', 'local/embedded/embedded.ts'], 'Measures operations on a server of its own.'),
    only('local', ['functions', 'src', 'cli/output/report.ts'], 'The gateway stands where Lambda stands.'),
    {
      name: 'only-db-knows-postgres',
      severity: 'error',
      from: { path: '^(functions|src|infra)/', pathNot: '^src/db/' },
      to: { path: '^node_modules/postgres/' },
    },
    {
      name: 'no-development-packages-in-functions',
      severity: 'error',
      from: { path: '^(functions|src)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '@types/' },
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
