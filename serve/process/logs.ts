import type { Logger } from '../../src/keeper/terms.ts'

const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT'] as const
export type Level = (typeof levels)[number]

/** The log of a process: one line an event. */
export interface ProcessLogger extends Logger {
  debug(message: string, fields: Record<string, unknown>): void
  /** The same, with these fields in each line. */
  with(fields: Record<string, unknown>): ProcessLogger
}

interface Line {
  level: Level
  message: string
  timestamp: string
}

/** Logs from this level on, each line as it is formed. */
export function makeLogger(
  level: Level,
  form: (line: Line & Record<string, unknown>) => string = (line) => JSON.stringify(line),
  write: (line: string) => unknown = (line) => process.stdout.write(line),
  always: Record<string, unknown> = {},
): ProcessLogger {
  const at = (own: Level) => (message: string, fields: Record<string, unknown>) => {
    if (levels.indexOf(own) < levels.indexOf(level)) return
    const line = { level: own, message, timestamp: new Date().toISOString(), ...always, ...fields }
    write(`${form(line)}\n`)
  }
  return {
    debug: at('DEBUG'),
    info: at('INFO'),
    warn: at('WARN'),
    error: at('ERROR'),
    with: (fields) => makeLogger(level, form, write, { ...always, ...fields }),
  }
}

/** The level that `LOG_LEVEL` names; undefined: it names none. */
export const levelIn = ({ LOG_LEVEL = '' }: NodeJS.ProcessEnv): Level | undefined =>
  levels.find((level) => level === LOG_LEVEL.toUpperCase())

/** The log of a process at a terminal: warnings and errors as text, or, with `LOG_LEVEL`, JSON from that level on. */
export function terminalLogger(env: NodeJS.ProcessEnv): { logger: ProcessLogger; mute(): Promise<void> } {
  const said = levelIn(env)
  if (said !== undefined) return { logger: makeLogger(said), mute: async () => {} }
  let muted = false
  return {
    logger: makeLogger('WARN', readable, (line) => muted || process.stdout.write(line)),
    async mute() {
      muted = true
    },
  }
}

/** `  09:05:34 ERROR run ended   runId 8   view public.slow   status failed` */
function readable({ level, message, timestamp, ...fields }: Line & Record<string, unknown>): string {
  const shown = Object.entries(fields).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return `  ${timestamp.slice(11, 19)} ${[`${level} ${message}`, ...shown].join('   ')}`
}
