export { type AuthoredView, defineView } from './authored/define-view.ts'
export type { GrantInput, IndexInput, QueryInput } from './authored/inputs.ts'
export type { ViewInput } from './authored/view-input.ts'
export type { Checks, CommonChecks } from './catalog/plan/checks.ts'
export type {
  LiveDefinition,
  LiveOtherwise,
  SlicesDefinition,
  Strategy,
  ViewStorage,
} from './catalog/plan/definition.ts'
export { type Config, defineConfig, type EnvironmentConfig } from './config/config.ts'
export type { KeeperConfig } from './config/fields.ts'
export type {
  ChatOptions,
  CommonOptions,
  NightlyOptions,
  NotifyOptions,
  QuietOptions,
  RetentionOptions,
  ScheduleOptions,
  ServeOptions,
  SharedOptions,
  SmtpOptions,
  WebhookOptions,
} from './config/options.ts'
export type {
  BatchEnded,
  EventOf,
  EventOfCause,
  EventOfIncident,
  EventOfRun,
  EventType,
  IncidentChanged,
  IncidentOpened,
  IncidentResolved,
  ViewFailed,
  ViewkeeperEvent,
  ViewkeeperEvents,
  ViewRefreshed,
} from './words/event.ts'
