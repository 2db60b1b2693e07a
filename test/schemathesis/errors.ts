/** The log lines that the functions write as errors from now on: they go into the list instead of the terminal. */
export function keepErrors(): Record<string, unknown>[] {
  const errors: Record<string, unknown>[] = []
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean
    stream.write = (chunk: unknown, ...rest: unknown[]) => {
      if (typeof chunk !== 'string' || !chunk.startsWith('{"level":')) return write(chunk, ...rest)
      errors.push(JSON.parse(chunk))
      return true
    }
  }
  return errors
}
