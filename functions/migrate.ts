import { migrateOnDeploy } from '../src/edge/handlers/migrate.ts'
import { eventFunction } from '../src/edge/server/function.ts'

// Beside the bundle in Lambda, where these folders have been moved to; two folders away in the repository.
const folders = {
  schema: new URL(process.env.SCHEMA_FOLDER ?? '../schema/', import.meta.url),
  views: new URL(process.env.MIGRATIONS_FOLDER ?? '../migrations/', import.meta.url),
}

/** Brings the database up to this version, before any other function of the deploy runs. */
export const handler = eventFunction((event) => migrateOnDeploy(folders, event))
