import { readView } from '../src/catalog/db/catalog.ts'
import { readSnapshot } from '../src/catalog/db/live-view.ts'
import { planRebuild } from '../src/rebuild/plan/plan.ts'
import { alone } from '../src/rebuild/plan/scope.ts'
import type { Plan, Statement } from '../src/sql/plan.ts'
import { runOptions, sampleEnvelope } from './support/envelope.ts'
import { inRounds, type Sample } from './support/measure.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/** Measures what the sandbox costs: the same swaps, with the SQL of others parsed sandboxed and not. */
export const measureSandbox = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: what the sandbox costs, about 1 minute')
    await server.sql.unsafe(`
      create role bench_owner;
      create schema bench authorization bench_owner;
      set role bench_owner;
      create materialized view bench.plain as select n as id, n % 7 as rest from generate_series(1, 10) n;
      create unique index on bench.plain (id);
      create materialized view bench.odd as select n as id, n % 7 as rest from generate_series(1, 10) n;
      create unique index on bench.odd (id);
      create index on bench.odd ((rest + 1));
      create view bench.above as select id from bench.odd;
      reset role`)
    const arms = (name: string) => ({
      open: () => swap(server, name, withoutSandbox),
      sandboxed: () => swap(server, name, (plan) => plan),
    })
    const plain = await inRounds(arms('plain'), { rounds: 200, warmUp: 20 })
    const odd = await inRounds(arms('odd'), { rounds: 200, warmUp: 20 })
    return [
      { title: `PostgreSQL ${server.version}` },
      { title: 'Swap of a view of 10 rows, an index on a column: one statement sandboxed' },
      compare('not sandboxed', plain.open),
      compare('sandboxed', plain.sandboxed, { to: plain.open }),
      { title: 'The same with an index on an expression and a plain view: three statements sandboxed' },
      compare('not sandboxed', odd.open),
      compare('sandboxed', odd.sandboxed, { to: odd.open }),
    ]
  })

async function swap(server: BenchServer, name: string, change: (plan: Plan) => Plan): Promise<Sample> {
  const view = await readView(server.sql, { schema: 'bench', name })
  const basis = await readSnapshot(server.sql, view.oid)
  if (typeof basis === 'string') throw new Error(`${name} is ${basis}`)
  return sampleEnvelope(server, view, change(planRebuild(alone(view.oid, basis), view, runOptions)))
}

/** The same statements, executed as the owner without a sandbox. */
const withoutSandbox = ({ prepare, locked, ...plan }: Plan): Plan => {
  const open = (statements: Statement[]): Statement[] =>
    statements.flatMap((statement): Statement[] =>
      statement.kind !== 'sandboxed'
        ? [statement]
        : [
            {
              kind: 'command',
              phase: statement.phase,
              sql: `set local role ${statement.sandbox.role}`,
              hidden: true,
            },
            { ...statement, kind: 'command' },
            // The statements around this one act as the same role, except around plain views that are
            // replaced in the exchange.
            ...(statement.phase === 'exchange'
              ? [{ kind: 'command', phase: statement.phase, sql: 'reset role', hidden: true } as const]
              : []),
          ],
    )
  return { ...plan, prepare: open(prepare), locked: { ...locked, statements: open(locked.statements) } }
}
