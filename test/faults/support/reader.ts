import { setTimeout as pause } from 'node:timers/promises'
import { readersOf } from '../../support/servers/database.ts'
import type { Scene, Way } from './ways.ts'

/** What a reader has seen that it should not see. */
export interface Reader {
  /** `apart`: somebody has changed a group, so that its views were filled one after the other. */
  stop(apart?: boolean): Promise<string[]>
}

const broken = /^(57P0|08|53300|CONNECT|ECONN|EPIPE)/

/** Reads all views of a way in one statement, again and again, in transactions that hold their locks while they read once more. */
export function startReader(
  url: string,
  way: Way,
  { schema }: Scene,
  { mayBreak }: { mayBreak: boolean },
): Reader {
  const sql = readersOf(url)
  const seen = new Set<string>()
  let goesOn = true
  let last: number[] = []
  const names = ['plain', ...way.views]
  const query = `select ${names.map((view) => `(select array_agg(n::int) from ${schema}.${view}) as ${view}`).join(', ')}`
  const judge = (row: Record<string, number[] | null>) => {
    const shown = names.map((name) => row[name] ?? [])
    if (shown.some((rows) => rows.length !== 1)) return seen.add(`not one row: ${JSON.stringify(row)}`)
    const numbers = shown.map(([n]) => n as number)
    if (way.readers === 'one state' && new Set(numbers).size > 1)
      seen.add(`a mixture: ${JSON.stringify(row)}`)
    if (numbers.some((n, at) => n > (numbers[Math.max(0, at - 1)] as number)))
      seen.add(`a child that is ahead of its parent: ${JSON.stringify(row)}`)
    if (last.some((n, at) => n > (numbers[at] as number)))
      seen.add(`older than before: ${JSON.stringify(row)}`)
    last = numbers
  }
  const read = async () => {
    while (goesOn) {
      try {
        // One message is one transaction, which still holds the lock on the first view while it reads the others.
        const [, read] = await sql.unsafe(`select from ${schema}.base; ${query}`).simple()
        judge(read?.[0])
      } catch (error) {
        const { code, message } = error as { code?: string; message: string }
        const isExpected =
          (mayBreak && broken.test(code ?? '')) || (way.readers === 'may be gone' && code === '42P01')
        if (!isExpected) seen.add(`${code}: ${message}`)
      }
      await pause(5)
    }
  }
  const reading = read()
  return {
    async stop(apart = false) {
      goesOn = false
      await reading
      await sql.end({ timeout: 1 })
      return [...seen].filter((what) => !(apart && what.startsWith('a mixture')))
    },
  }
}
