import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const rowsPerChunk = 5_000

/** The first `count` flights of the file, as lines for `copy`. Dates, numbers and codes need no escaping. */
export async function* readFlights(path: string, count: number): AsyncGenerator<string> {
  const file = await asyncBufferFromFile(path)
  const rows = await parquetReadObjects({ file, compressors, rowStart: 0, rowEnd: count })
  for (let at = 0; at < rows.length; at += rowsPerChunk) {
    yield rows
      .slice(at, at + rowsPerChunk)
      .map(line)
      .join('')
  }
}

const line = ({ date, delay, distance, origin, destination }: Record<string, unknown>) =>
  `${(date as Date).toISOString()}\t${delay}\t${distance}\t${origin}\t${destination}\n`
