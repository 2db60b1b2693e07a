import type { LocalProject } from '../../serve/start/project.ts'
import { count, report, timed } from '../../src/terminal/report.ts'
import { startEmbeddedPostgres } from '../embedded/embedded.ts'
import { loadDemo } from './load.ts'

/** The demo: real flights, and views on them that are authored and frozen in this folder. */
export const demo: LocalProject = {
  command: 'npm start',
  startServer: startEmbeddedPostgres,
  addressCommand: 'npm run -s database-url',
  migrations: new URL('./migrations/', import.meta.url),
  example: 'route_delays',
  async loadTables(url) {
    const [{ flights, airports, zipcodes, loaded }, ms] = await timed(() => loadDemo(url))
    const rows = [count(flights, 'flight'), count(airports, 'airport'), count(zipcodes, 'zip code')].join(
      ', ',
    )
    report.done('demo data', loaded ? rows : `${rows} (kept)`, ms)
  },
}
