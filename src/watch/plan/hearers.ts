import type { Quiet } from '../../catalog/plan/scheduled.ts'
import type { CommandTarget } from '../../words/commands.ts'

/** How programs are told. */
export interface Programs {
  /** What commands name. */
  typed: CommandTarget
}

/** Where mails lead to: the runbook on the web, and the page of the environment. */
export interface Links {
  runbookUrl?: string | undefined
  pageUrl?: string | undefined
}

/** What a channel hears of: incidents of one of these kinds, and of views that match one of these globs. Left out: of all. */
export interface ChannelFilter {
  kinds?: readonly string[] | undefined
  views?: readonly string[] | undefined
}

/** How people are told. */
export interface People {
  /** What channels hear that do not hear everything, by their names. */
  filters?: Record<string, ChannelFilter> | undefined
  environment: string
  links: Links
  typed: CommandTarget
}

/** Whom a look tells, and how often. */
export interface Hearers {
  telling: Telling
  /** Null: nothing becomes an event. */
  programs: Programs | null
  /** Null: nobody takes messages. */
  people: People | null
}

/** How often the monitor tells of an incident. */
export interface Telling {
  /** An incident that is not over is told again after this time, in seconds. Null: never. */
  remindSeconds: number | null
  /**
   * The least time between two tellings of the same culprit, of whichever views, in seconds, so that a mail is about several
   * of them; what comes sooner is told when this time is over.
   */
  apartSeconds: number
  /** When nobody is told, each week. */
  quiet?: Quiet | undefined
}

/**
 * The telling of a monitor that looks every so many minutes. Two tellings are at least one and a half intervals apart, and
 * never less than five minutes.
 */
export const tellingOf = (remindEveryHours: number | false, everyMinutes: number | false): Telling => ({
  remindSeconds: remindEveryHours === false ? null : remindEveryHours * 3600,
  apartSeconds: Math.max(5 * 60, 1.5 * (everyMinutes || 0) * 60),
})

/** Suits a monitor that looks every minute, and reminds every day. */
export const usualTelling = tellingOf(24, 1)
