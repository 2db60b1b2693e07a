import { eventFunction } from '../src/edge/function.ts'
import { migrateOnDeploy } from '../src/edge/migrate.ts'

// Beside the bundle in Lambda, where this file has been moved to; two folders away in the repository.
const schemaFolder = new URL(process.env.SCHEMA_FOLDER ?? '../schema/', import.meta.url)

/** Brings the database up to this version, before any other function of the deploy runs. */
export const handler = eventFunction(() => migrateOnDeploy(schemaFolder))
