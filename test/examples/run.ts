import { framed } from '../deploy/support/frame.ts'
import { stage } from '../deploy/support/transcript.ts'
import { pack } from '../package/pack.ts'
import { nodeOfTeam } from '../package/team.ts'
import { tryAlembicAndDbt } from './alembic-dbt.ts'
import { tryCdkApp } from './cdk-app.ts'
import { tryCreatedDatabase } from './created-database.ts'
import { tryDrizzle } from './drizzle.ts'
import { tryExpress } from './express.ts'
import { tryServe } from './serve.ts'

await framed('examples', 'the examples from the tarball, as their READMEs say', async ({ folder, teams }) => {
  const place = { transcripts: folder, teams, node: nodeOfTeam() }
  const tarball = await stage('npm pack', async () => pack(folder))
  const each = {
    'cdk-app': tryCdkApp,
    'created-database': tryCreatedDatabase,
    drizzle: tryDrizzle,
    express: tryExpress,
    serve: tryServe,
    'alembic-dbt': tryAlembicAndDbt,
  }
  const named = process.argv.slice(2)
  // They wait for registries most of the time, so all at once.
  await Promise.all(
    Object.entries(each)
      .filter(([name]) => named.length === 0 || named.includes(name))
      .map(([, attempt]) => attempt(tarball, place)),
  )
})
