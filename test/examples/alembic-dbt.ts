import assert from 'node:assert/strict'
import { findPython } from '../deploy/support/emulator/python.ts'
import { poll, stage } from '../deploy/support/transcript.ts'
import type { Tarball } from '../package/pack.ts'
import type { Place } from '../package/team.ts'
import { earlier } from '../support/record/rows.ts'
import { besideOthers, Example } from './example.ts'

/** Tables by Alembic, models by dbt, views by Viewkeeper above both. */
export async function tryAlembicAndDbt(tarball: Tarball, place: Place): Promise<void> {
  findPython('The example alembic-dbt')
  const shop = new Example('alembic-dbt', tarball, place, await besideOthers())
  const sales = () => shop.rows('select product, revenue::float8 from revenue order by 1')
  await stage('alembic-dbt: install, tables, models, then views', async () => {
    assert.match(await shop.follows('Start'), /✓ 002_best_seller +created/)
    assert.deepEqual(await sales(), [])
  })
  await stage('alembic-dbt: orders, dbt run, a batch of the views', async () => {
    const output = await shop.follows('Each night')
    assert.match(output, /2 of 2 views refreshed/)
    assert.match(output, /PASS freshness of reports\.revenue/)
    assert.deepEqual(await sales(), [
      ['chair', 90],
      ['lamp', 120],
    ])
    assert.deepEqual(await shop.rows('select product from best_seller'), [['lamp']])
  })
  await stage('alembic-dbt: the task of Airflow starts a batch, once for each key', async () => {
    const [id, again, ...more] = (await shop.follows('From Airflow')).match(/^\d{8}-\d{6}-\w+$/gm) ?? []
    assert.deepEqual([again, more], [id, []])
    const ended = `select status from viewkeeper.batches where id = '${id}' and finished_at is not null`
    assert.deepEqual(await poll('the end of the batch', async () => (await shop.rows(ended))[0]), ['success'])
  })
  await stage(
    'alembic-dbt: dbt calls data old of which nobody knows the age, or that are older than an hour',
    async () => {
      const tells = () =>
        shop.team.types('. .venv/bin/activate && . ./env.sh && dbt source freshness || true')
      await shop.on((sql) => earlier(sql, 'runs', { viewName: 'revenue' }, '2 hours', 'asOf'))
      assert.match(await tells(), /ERROR STALE freshness of reports\.revenue/)
    },
  )
  await stage('alembic-dbt: Alembic changes a table under the views', async () => {
    const output = await shop.follows('Change a table under the views')
    assert.match(output, /✓ materialized view public\.revenue +set aside/)
    assert.match(output, /2 objects back/)
    assert.match(output, /2 views: authored, frozen and live are the same/)
    assert.deepEqual(await shop.rows('select version_num from alembic_version'), [['0002']])
    assert.deepEqual(await shop.rows('select product from best_seller'), [['lamp']])
  })
  await stage('alembic-dbt: a full refresh of dbt leaves the views', async () => {
    await shop.team.types('. .venv/bin/activate && . ./env.sh && dbt --quiet run --full-refresh')
    assert.deepEqual(await shop.rows('select product from best_seller'), [['lamp']])
  })
  assert.deepEqual(shop.left, [])
}
