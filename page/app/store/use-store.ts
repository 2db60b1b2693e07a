import { useEffect, useState } from 'preact/hooks'
import type { Store } from './store.ts'

/** The value of a store; the component is drawn again when the value changes. */
export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(store.get())
  useEffect(() => {
    const read = () => setValue(() => store.get())
    read()
    return store.subscribe(read)
  }, [store])
  return value
}
