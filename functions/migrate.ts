import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'

// A deploy copies these folders next to the bundle; in the repository they are next to this folder.
const folders = {
  schema: new URL(process.env.SCHEMA_FOLDER ?? '../schema/', import.meta.url),
  views: new URL(process.env.MIGRATIONS_FOLDER ?? '../migrations/', import.meta.url),
}

/**
 * Brings the database up to this version before a deploy changes any other function, and serves the command
 * line.
 */
export const handler = eventFunction(async (event) => {
  const { serveMigrations } = await import('../src/api/lambda/migrate.ts')
  return serveMigrations(event, folders, readConfiguration())
})
