import assert from 'node:assert/strict'
import type { Deployed } from '../deployed.ts'
import { stage } from '../transcript.ts'

/** One view that reads another; the other one is refreshed by a schedule of its own. */
export const views = { read: 'reports.daily_sales', reader: 'reports.best_day' }

const dailySales = (freshness: string): string => `import { defineView } from 'viewkeeper'

export default defineView({
  schema: 'reports',
  name: 'daily_sales',
  query: 'select day, sum(amount) as amount from public.sale group by day',
  ${freshness}
})
`

const bestDay = `import { defineView } from 'viewkeeper'

export default defineView({
  schema: 'reports',
  name: 'best_day',
  query: 'select day, amount from reports.daily_sales order by amount desc limit 1',
})
`

/** Freezes the two as they are first: one of them due every minute. */
export const freezeBatchViews = ({ project }: Pick<Deployed, 'project'>): Promise<void> =>
  stage('viewkeeper freeze of a view with a schedule, and of one that reads it', async () => {
    project.author('daily_sales.ts', dailySales(`schedule: '* * * * *', timeZone: 'Europe/Berlin',`))
    project.author('best_day.ts', bestDay)
    const files = await project.freeze('-m', 'To see a batch work')
    assert.deepEqual(
      files.filter((name) => name.endsWith('.up.sql')),
      ['002_daily_sales.up.sql', '003_best_day.up.sql'],
    )
  })

/** Freezes it with a target lag instead of its schedule. */
export const giveTargetLag = ({ project }: Deployed): Promise<void> =>
  stage('viewkeeper freeze of the view with a target lag instead of its schedule', async () => {
    // The limit keeps the alarm of stale views out of this.
    project.author('daily_sales.ts', dailySales('targetLagSeconds: 3600, maxStalenessSeconds: 86_400,'))
    const files = await project.freeze('-m', 'An hour is enough')
    assert.deepEqual(files, ['004_daily_sales.down.sql', '004_daily_sales.up.sql'])
  })
