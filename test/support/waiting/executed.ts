import { readdir, readFile } from 'node:fs/promises'
import { type Profiler, Session } from 'node:inspector/promises'

/** Notes which functions of the program are executed while `work` goes on. */
export async function whatIsExecuted(work: () => Promise<void>): Promise<Profiler.ScriptCoverage[]> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
    await work()
    return (await session.post('Profiler.takePreciseCoverage')).result
  } finally {
    session.disconnect()
  }
}

/** The functions that send a statement and were not executed, each as `file function`, of the folders of `src` that send SQL. */
export async function withoutExecution(executed: Profiler.ScriptCoverage[]): Promise<string[]> {
  const missed: string[] = []
  for (const name of await readdir('src', { recursive: true })) {
    if (!name.endsWith('.ts') || !/^(server|record)\/|\/(db|life|envelope)\//.test(name)) continue
    const file = `src/${name}`
    const executedHere = new Set(
      executed
        .filter(({ url }) => url.endsWith(`/${file}`))
        .flatMap(({ functions }) => functions)
        .flatMap(({ functionName, ranges }) => (ranges.some(({ count }) => count > 0) ? [functionName] : [])),
    )
    for (const [text, called] of (await readFile(file, 'utf8')).matchAll(declaration))
      if (sends.test(text) && !executedHere.has(called!)) missed.push(`${file} ${called}`)
  }
  return missed.sort()
}

/** A function at the top level of a file, up to the next declaration there. */
const declaration =
  /^(?:export )?(?:async function|function|const) (\w+)[\s\S]*?(?=^(?:export|async|function|const|\/\*\*|interface|type) |$(?![\s\S]))/gm
const sends = /\b(?:sql|part|transaction)(?:<[^`]*>)?`|\.unsafe[<(]/
