import type { MigrateReport } from '../db/migrate.ts'
import { createRole, ownerRole, readViewOwners } from '../db/role.ts'
import { migrate } from '../operations/migrate.ts'
import { logger } from './function.ts'
import { adminDatabaseFromEnvironment, databaseFromEnvironment, workingLogin } from './settings.ts'

/**
 * What each deploy does before anything else: makes the role on a database that the stack made, then applies the
 * schema's steps from `schemaFolder`. Throws where a step fails, which fails the deploy.
 */
export async function migrateOnDeploy(schemaFolder: URL): Promise<MigrateReport> {
  const admin = adminDatabaseFromEnvironment()
  if (admin !== undefined) {
    const { login, password } = await workingLogin()
    await admin.withConnection(async (sql) => {
      const { owners, leftOut } = await readViewOwners(sql)
      const { notGranted } = await createRole(sql, { login, password, viewOwners: owners })
      logger.info('role is ready', { role: ownerRole, login, notGranted, leftOut })
    })
  }
  const report = await migrate(databaseFromEnvironment(), schemaFolder)
  logger.info('migrated', { ...report })
  return report
}
