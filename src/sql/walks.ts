/** These, and all that is reached from them over `next`, step by step; the nearer ones come first. */
export function reached<T>(from: Iterable<T>, next: (each: T) => Iterable<T>): Set<T> {
  const found = new Set(from)
  // The loop meets what it adds, too.
  for (const each of found) for (const further of next(each)) found.add(further)
  return found
}

/** Sorts items: each comes after those that it reads, by their keys. A circle is broken somewhere. */
export function parentsFirst<T, Key>(
  items: T[],
  keyOf: (item: T) => Key,
  readsOf: (item: T) => Iterable<Key>,
): T[] {
  const waiting = new Map(items.map((item) => [keyOf(item), item]))
  const ordered: T[] = []
  const take = (key: Key) => {
    const item = waiting.get(key)
    if (item === undefined) return
    waiting.delete(key)
    for (const read of readsOf(item)) take(read)
    ordered.push(item)
  }
  for (const item of items) take(keyOf(item))
  return ordered
}
