export interface Mention {
  text: string
  /** The address of what the text names; undefined for text in between. */
  href: string | undefined
}

/**
 * A text in pieces: where it names a run, a batch or a view of `addresses`, the piece has an address. The names that
 * the text does not have come after it. Together the pieces are what a person reads.
 */
export function withMentions(text: string, addresses: Record<string, string>): Mention[] {
  const pieces: Mention[] = []
  let rest = text
  const missing = new Map(Object.entries(addresses))
  while (rest !== '') {
    const found = [...missing.keys()]
      .map((name) => ({ name, at: positionOf(name, rest) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at)[0]
    if (!found) break
    const { name, at } = found
    pieces.push(
      { text: rest.slice(0, at), href: undefined },
      { text: rest.slice(at, at + name.length), href: missing.get(name) },
    )
    rest = rest.slice(at + name.length)
    missing.delete(name)
  }
  pieces.push({ text: rest, href: undefined })
  for (const [name, href] of missing) pieces.push({ text: ' ', href: undefined }, { text: name, href })
  return pieces.filter((piece) => piece.text !== '')
}

/** Where a text names something, in upper or lower case; not inside a longer name or number. */
function positionOf(name: string, text: string): number {
  const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return text.search(new RegExp(`(?<![\\w.-])${quoted}(?![\\w-]|\\.\\w)`, 'i'))
}
