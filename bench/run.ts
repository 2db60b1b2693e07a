import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { measureAdded } from './added.ts'
import { measureBatches, measureGroups, measureQuiet } from './batches.ts'
import { measureHistory } from './history.ts'
import { measureChecks, measureOperations, measureSealed } from './operations.ts'
import { measurePeers } from './peers.ts'
import { measureSlices } from './slices.ts'
import { measureStart } from './start.ts'
import { type Row, stampFigures, writeTable } from './support/table.ts'

interface Options {
  against?: string | undefined
  write?: boolean | undefined
}

const benchmarks: Record<string, (options: Options) => Promise<Row[]>> = {
  operations: measureOperations,
  overhead: measureAdded,
  peers: measurePeers,
  quiet: measureQuiet,
  batches: measureBatches,
  checks: measureChecks,
  groups: measureGroups,
  history: measureHistory,
  sealed: measureSealed,
  slices: measureSlices,
  start: measureStart,
  stamp: stampFigures,
}

/** Reads the command line. Ends the process with one line if it is wrong. */
function readArguments() {
  try {
    const { positionals: names, values } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        against: { type: 'string' },
        write: { type: 'boolean' },
      },
    })
    const unknown = names.find((name) => !Object.hasOwn(benchmarks, name))
    if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}`)
    if (names.length === 0) throw new Error('name one or more benchmarks')
    if (values.against !== undefined && names.some((name) => name !== 'overhead'))
      throw new Error('--against belongs to overhead')
    return { names, ...values }
  } catch (error) {
    console.error(`bench: ${(error as Error).message}; known are: ${Object.keys(benchmarks).join(', ')}`)
    process.exit(2)
  }
}

const { names, json, ...options } = readArguments()
for (const name of names) {
  const rows = await benchmarks[name]!(options)
  if (options.write)
    writeFileSync(new URL(`../docs/data/${name}.txt`, import.meta.url), `${writeTable(rows)}\n`)
  console.log(json ? JSON.stringify({ benchmark: name, rows }) : writeTable(rows))
}
