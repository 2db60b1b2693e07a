import { troubles } from '../../events/plan/troubles.ts'
import type { AlarmName } from './alarms.ts'

/** Kinds of news of views, by the alarms that go off for them. */
export const newsKinds = ['slow', 'batches', ...troubles] as const
export type NewsKind = (typeof newsKinds)[number]

/** The kind of news that an alarm is about, by the alarm's name; null if views have nothing to do with it. */
export const newsKindOf = (alarm: string): NewsKind | null => kindsOfAlarms[alarm] ?? null

const kindsOfAlarms: Partial<Record<string, NewsKind>> = {
  'failed-runs': 'failing',
  'slow-runs': 'slow',
  'lost-batches': 'batches',
  'failed-batches': 'batches',
  'stale-views': 'stale',
  'missing-views': 'missing',
  'lag-missed': 'lag',
  'suspended-views': 'suspended',
  'set-aside-views': 'aside',
} satisfies Partial<Record<AlarmName, NewsKind>>
