import type { Definition } from '../../catalog/plan/definition.ts'
import { dropLive, makeLive } from '../../slices/plan/live.ts'
import { type ChangeLog, dropLog, makeLog } from '../../slices/plan/log.ts'
import { displayName, displayPart } from '../../words/names.ts'
import type { FrozenMigration } from './frozen.ts'

/** A change log as own SQL: the text that makes it, and the one that drops it; null: somebody has deleted that file. */
export interface FrozenLog {
  make: string
  drop: string | null
}

const made = '-- The change log of '
const dropped = '-- No change log of '
/** What versions before the first release wrote there. */
const older = /(?<=^-- (?:The|No) )log of changes(?= of )/

/** The SQL of a log, and of the live view that reads it, with the grants by which that is made: others make another text. Pure. */
export function frozenLog(
  log: ChangeLog,
  { slices, grants }: Pick<Definition, 'slices' | 'grants'>,
): { make: string; drop: string } {
  const live = slices?.live
  const name = displayName(log.view)
  const text = (first: string, statements: string[]) =>
    `${first}\n${statements.map((sql) => `${sql};\n`).join('')}`
  return {
    make: text(
      `${made}${name}\n-- Its refreshes compute only the slices of ${displayPart(log.by)} that this tells.${live ? `\n-- Whoever may read it may read its live view: ${JSON.stringify(grants)}` : ''}`,
      live ? [dropLive(log.view), ...makeLog(log), makeLive(log, live)] : makeLog(log),
    ),
    drop: text(`${dropped}${name}`, [...(live ? [dropLive(log.view)] : []), dropLog(log.view)]),
  }
}

/** The logs that these migrations leave behind, by the names of their views for people. Pure. */
export function frozenLogs(migrations: FrozenMigration[]): Map<string, FrozenLog> {
  const logs = new Map<string, FrozenLog>()
  for (const { up, down } of migrations) {
    if (up.change.does !== 'sql') continue
    const [written = ''] = up.text.split('\n', 1)
    const first = written.replace(older, 'change log')
    if (first.startsWith(made))
      logs.set(first.slice(made.length), { make: up.text, drop: down?.text ?? null })
    if (first.startsWith(dropped)) logs.delete(first.slice(dropped.length))
  }
  return logs
}
