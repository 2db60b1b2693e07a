export { type AuthoredView, defineView } from './authoring/define-view.ts'
export type { GrantInput, IndexInput, QueryInput } from './authoring/inputs.ts'
export type { ViewInput } from './authoring/view-input.ts'
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
export type {
  BatchEnded,
  EventOf,
  EventOfRun,
  EventOfTrouble,
  EventType,
  TroubleBegan,
  TroubleEnded,
  ViewFailed,
  ViewkeeperEvent,
  ViewkeeperEvents,
  ViewRefreshed,
} from './plan/events/event.ts'
export type { Checks, CommonChecks } from './plan/views/checks.ts'
export type { RowCountStrategy, Strategy } from './plan/views/definition.ts'
