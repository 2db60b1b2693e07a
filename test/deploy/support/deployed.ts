import type { Sql } from 'postgres'
import type { SchemaFolder } from '../schema-folders.ts'
import type { AppOptions, Cdk } from './apps/cdk.ts'
import type { Api, createAws } from './emulator/aws.ts'
import type { Emulator } from './emulator/emulator.ts'
import type { TestDatabase } from './project/database.ts'
import type { Project } from './project/project.ts'

/** What the first deploy leaves to the rest of the test. */
export interface Deployed {
  folder: string
  emulator: Emulator
  database: TestDatabase
  /** A superuser's connection to the database. */
  sql: Sql
  aws: ReturnType<typeof createAws>
  cdk: Cdk
  api: Api
  machineArn: string
  /** The names of functions. */
  functions: { migrate: string; monitor: string; prune: string; refresh: string; send: string }
  /** The ARNs of the topics: mails, and the same as JSON. */
  topics: { mail: string; notices: string }
  /** The URLs of the queues with the events that the rules of the app took (programs.ts). */
  queues: { every: string; sales: string }
  /** The ARNs of the managed policies that the stack makes. */
  policies: { read: string; define: string }
  /** The options of the first deploy. */
  options: AppOptions
  schema: SchemaFolder
  project: Project
}
