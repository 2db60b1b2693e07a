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
  EnvironmentOptions,
  ImportedDatabaseOptions,
  ImportedVpcOptions,
  NightlyOptions,
  RetentionOptions,
  ScheduleOptions,
  ViewkeeperOptions,
} from './config/options.ts'
export type { RowCountStrategy, Strategy } from './plan/views/definition.ts'
