// What Node 20 lacks of the JavaScript that the sources use. The build puts these functions in the places of the built-in ones.

/** `Map.groupBy`, by which a later Node groups things. */
export function groupBy<Key, Item>(
  items: Iterable<Item>,
  keyOf: (item: Item, at: number) => Key,
): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  let at = 0
  for (const item of items) {
    const key = keyOf(item, at++)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

/** `Promise.withResolvers`, a promise with the functions that settle it. */
export function withResolvers<Value>(): PromiseWithResolvers<Value> {
  let resolve!: (value: Value | PromiseLike<Value>) => void
  let reject!: (reason?: unknown) => void
  const promise = new Promise<Value>((fulfil, refuse) => {
    resolve = fulfil
    reject = refuse
  })
  return { promise, resolve, reject }
}
