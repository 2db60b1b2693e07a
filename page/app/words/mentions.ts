export interface Mention {
  text: string
  /** The address of what the text names; undefined for text in between. */
  href: string | undefined
}

/**
 * A text in pieces: where it first names a run, a batch or a view of `addresses`, the piece has an address. The names that
 * the text does not have come after it. Together the pieces are what a person reads.
 */
export function withMentions(text: string, addresses: Record<string, string>): Mention[] {
  const missing = { ...addresses }
  const names = Object.keys(addresses)
  const any = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  // In upper or lower case; not inside a longer name or number.
  const pieces = any ? text.split(new RegExp(`(?<![\\w.-])(${any})(?![\\w-]|\\.\\w)`, 'i')) : [text]
  const told: Mention[] = pieces.map((text) => {
    const name = names.find((each) => each.toLowerCase() === text.toLowerCase()) ?? ''
    const href = missing[name]
    delete missing[name]
    return { text, href }
  })
  for (const text in missing) told.push({ text: ' ', href: undefined }, { text, href: missing[text] })
  return told.filter(({ text }) => text)
}
