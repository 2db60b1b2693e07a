import { logger } from '../../src/api/lambda/logger.ts'
import { dueLine, eventsLine } from '../../src/api/lambda/wake-lines.ts'

/** The fields that every log line has and nobody at a terminal needs. */
const hiddenFields = /^(level|message|timestamp|service|cold_start|sampling_rate|xray_trace_id|function_.*)$/

/**
 * Shows the functions' log lines of level WARN and above as text instead of JSON. Returns a function that
 * hides them. If POWERTOOLS_LOG_LEVEL is set, the lines stay JSON, with that level.
 */
export function showLogs(env: NodeJS.ProcessEnv): () => Promise<void> {
  env.POWERTOOLS_METRICS_DISABLED ??= 'true'
  if (env.POWERTOOLS_LOG_LEVEL) return async () => {}
  env.POWERTOOLS_LOG_LEVEL = 'WARN'
  let muted = false
  // The streams are changed, because Powertools writes to them with its own console.
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      if (chunk === eventsLine || chunk === dueLine) return true // nothing reads the log for it here
      if (typeof chunk !== 'string' || !chunk.startsWith('{"level":')) return write(chunk, ...rest)
      return muted || write(readable(chunk), ...rest)
    }
  }
  return async () => {
    muted = true
  }
}

/** The logger of the process, at the level that POWERTOOLS_LOG_LEVEL says by now: its lines name no call of a function. */
export function leveledLogger({ POWERTOOLS_LOG_LEVEL }: NodeJS.ProcessEnv) {
  logger.setLogLevel(POWERTOOLS_LOG_LEVEL as 'INFO')
  return logger.createChild()
}

/** `  09:05:34 ERROR run ended   runId 8   view public.slow   status failed` */
function readable(line: string): string {
  const { level, message, timestamp, ...fields } = JSON.parse(line) as Record<string, unknown>
  const shown = Object.entries(fields)
    .filter(([name]) => !hiddenFields.test(name))
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return `  ${String(timestamp).slice(11, 19)} ${[`${level} ${message}`, ...shown].join('   ')}\n`
}
