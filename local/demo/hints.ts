import { dim, report } from '../../cli/output/report.ts'
import { listViews } from './api.ts'

/** Prints the address, and commands to copy that name an existing view and run. */
export async function printHints(api: string): Promise<void> {
  const views = await listViews(api)
  const view = views.find(({ name }) => name === 'route_delays') ?? views[0]
  report.line()
  report.line(`page  ${api}/`)
  report.line(`api   ${api}`)
  report.line()
  if (!view) {
    report.line('There is no materialized view yet. After you have made one, list it with:')
    report.line()
    report.line(`try   curl ${api}/views`)
  } else {
    const path = encodeURIComponent(view.schema === 'public' ? view.name : view.view)
    report.line(`try   curl -X POST ${api}/views/${path}/refresh -H 'Prefer: wait=20'`)
    if (view.lastRun) report.line(`      curl ${api}/runs/${view.lastRun.id}`)
    report.line(`      curl '${api}/runs?limit=5'`)
    report.line(`      curl -X POST ${api}/batches   ${dim('# every view, in dependency order')}`)
  }
  report.line()
  report.line(dim('Ctrl-C stops everything'))
}
