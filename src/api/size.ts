/** The most bytes of an answer. Lambda refuses an answer of more than 6 MB, and adds some of its own. */
export const mostBytes = 5_000_000

/** The lengths that texts and lists of texts are cut to, until an answer is small enough. */
const lengths = [100_000, 10_000, 1000, 300]

/**
 * The value, if it is small enough for an answer. Otherwise its long texts and long lists of texts are cut,
 * and each says how much there was.
 */
export function fitting<Value>(value: Value, most = mostBytes): Value {
  let cut = value
  for (const length of lengths) {
    if (bytesOf(cut) <= most) break
    cut = shortened(value, length) as Value
  }
  return cut
}

/** As many of the items, from the first on, as fit into an answer; always at least one. */
export function firstFitting<Item>(items: Item[], most = mostBytes): Item[] {
  let bytes = 0
  const end = items.findIndex((item, at) => {
    bytes += bytesOf(item)
    return bytes > most && at > 0
  })
  return end === -1 ? items : items.slice(0, end)
}

/** The bytes of a value in an answer. The body is a text within JSON, so that quotes in it take two. */
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(JSON.stringify(value)))

function shortened(value: unknown, length: number): unknown {
  if (typeof value === 'string') return shortenedText(value, length)
  if (Array.isArray(value)) {
    const items = value.map((item) => shortened(item, length))
    return items.length > length && items.every((item) => typeof item === 'string')
      ? [...items.slice(0, length), `... (${items.length} in all)`]
      : items
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, inside]) => [key, shortened(inside, length)]))
}

const shortenedText = (text: string, length: number): string =>
  text.length <= length
    ? text
    : `${text.slice(0, length).toWellFormed()}... (${text.length} characters in all)`
