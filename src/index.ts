export {
  type AuthoredView,
  defineView,
  type GrantInput,
  type IndexInput,
  type QueryInput,
  type ViewInput,
} from './authoring/define-view.ts'
export { type Config, defineConfig } from './config/config.ts'
export type {
  CreatedDatabaseOptions,
  ImportedDatabaseOptions,
  ImportedVpcOptions,
} from './config/database-options.ts'
export type {
  EnvironmentOptions,
  NightlyOptions,
  RetentionOptions,
  ScheduleOptions,
  ViewkeeperOptions,
} from './config/environment-options.ts'
export type { RowCountStrategy, Strategy } from './plan/views/definition.ts'
