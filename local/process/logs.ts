/** What every line of a function's log has, and nobody at a terminal needs. */
const always = /^(level|message|timestamp|service|cold_start|sampling_rate|xray_trace_id|function_.*)$/

/**
 * Shows the functions' JSON log lines, from level WARN on, in a readable form; returns what makes them stop. Someone who
 * sets POWERTOOLS_LOG_LEVEL gets that level, as JSON.
 */
export function showLogs(env: NodeJS.ProcessEnv): () => Promise<void> {
  env.POWERTOOLS_METRICS_DISABLED ??= 'true'
  if (env.POWERTOOLS_LOG_LEVEL) return async () => {}
  env.POWERTOOLS_LOG_LEVEL = 'WARN'
  let muted = false
  // Powertools writes to these two streams through a console of its own, so the streams are where it can be met.
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      if (typeof chunk !== 'string' || !chunk.startsWith('{"level":')) return write(chunk, ...rest)
      return muted || write(readable(chunk), ...rest)
    }
  }
  return async () => {
    muted = true
  }
}

/** `  09:05:34 ERROR run ended   runId 8   view public.slow   status failed` */
function readable(line: string): string {
  const { level, message, timestamp, ...fields } = JSON.parse(line) as Record<string, unknown>
  const said = Object.entries(fields)
    .filter(([name]) => !always.test(name))
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return `  ${String(timestamp).slice(11, 19)} ${[`${level} ${message}`, ...said].join('   ')}\n`
}
