import { expect, onTestFinished, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { eachCase } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, countExecutions, makeGraph } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, as } = useDatabase()

const views = ['a', 'b', 'c', 'd', 'e', 'f']

/** Viewkeeper's login, as which the server lets so many connections in at once. */
async function loginFor(connections: number) {
  const login = `limited_${connections}_${process.pid}`
  await sql.unsafe(
    `create role ${login} login password 'secret' connection limit ${connections}; grant postgres to ${login}`,
  )
  onTestFinished(async () => {
    // A session that was left still drops its temporary functions, which belong to the role.
    await until(
      `no session of ${login} is left`,
      async () => (await sql`select from pg_stat_activity where usename = ${login}`).length === 0,
    )
    await sql.unsafe(`drop role ${login}`)
  })
  return { login, limited: as(login).database }
}

eachCase([2, 3, 4], { quick: 1 })(
  'a batch that wants seven connections ends with %s',
  async (connections) => {
    const schema = `few_${connections}`
    const graph = Object.fromEntries(views.map((view) => [view, []]))
    await makeGraph(sql, schema, graph, { seconds: 0.05 })
    const { limited } = await loginFor(connections)
    const batchId = await begin(database, {
      pattern: `${schema}.*`,
      concurrency: 4,
      exchange: 'each',
      retries: 0,
    })
    expect(await advanceToEnd(limited, batchId)).toMatchObject({ status: 'success' })
    for (const view of views) expect(await countExecutions(sql, `${schema}.${view}`)).toBe(1)
  },
)

test('views wait for a connection while there is none, with what the server says', async () => {
  await makeGraph(sql, 'none_left', { a: [], b: [] })
  const { login, limited } = await loginFor(2)
  const other = await limited.open({})
  const batchId = await begin(database, { pattern: 'none_left.*', exchange: 'each', retries: 0 })
  const ended = advanceToEnd(limited, batchId)
  await until('the batch says why its views wait', async () => {
    const { refused, views } = await getBatch(database, batchId)
    const waits = views.every(({ status }) => ['waiting', 'pending'].includes(status))
    return waits && refused === `too many connections for role "${login}"`
  })
  await other.leave()
  expect(await ended).toMatchObject({ status: 'success' })
})
