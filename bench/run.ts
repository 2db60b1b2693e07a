import { parseArgs } from 'node:util'
import { measureAround } from './around.ts'
import { measureBatches } from './batches.ts'
import { measureGroups } from './groups.ts'
import { measureHistory } from './history.ts'
import { measureOperations } from './operations.ts'
import { measureSeal } from './seal.ts'
import { measureStart } from './start.ts'
import { type Row, writeTable } from './support/table.ts'

const benchmarks: Record<string, () => Promise<Row[]>> = {
  operations: measureOperations,
  batches: measureBatches,
  groups: measureGroups,
  around: measureAround,
  history: measureHistory,
  seal: measureSeal,
  start: measureStart,
}

/** Reads the command line. Ends the process with one line if it is wrong. */
function readArguments(): { names: string[]; json: boolean } {
  try {
    const { positionals: names, values } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false } },
    })
    const unknown = names.find((name) => !Object.hasOwn(benchmarks, name))
    if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}`)
    if (names.length === 0) throw new Error('name one or more benchmarks')
    return { names, json: values.json }
  } catch (error) {
    console.error(`bench: ${(error as Error).message}; known are: ${Object.keys(benchmarks).join(', ')}`)
    process.exit(2)
  }
}

const { names, json } = readArguments()
for (const name of names) {
  const rows = await benchmarks[name]!()
  console.log(json ? JSON.stringify({ benchmark: name, rows }) : writeTable(rows))
}
